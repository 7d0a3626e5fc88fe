#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Damper.h"
#include "Debounce.h"
#include "Feature.h"

namespace esper {

// What ToggleButton and TriggerButton share: a button on a pin, pressed while that is low if it is
// inverted, that has a state and a function that is called when the state changes. The button is
// polled, and further changes are ignored within damper milliseconds after one. Of kind
// binary_sensor. RAM: 48 bytes, 8 of them only with a damper.
template <const char* const name, uint16_t gpio, bool inverted, uint16_t damper,
          const Attributes& about>
class EdgeButton : public FeatureOf<Kind::BINARY_SENSOR, name, about>, private Damper<damper> {
  public:
    using Callback = void (*)(bool state);

    bool isOn() const { return on; }

  protected:
    EdgeButton(Device* device, Callback callback)
        : FeatureOf<Kind::BINARY_SENSOR, name, about>(device),
          callback(callback),
          timer(bind<EdgeButton, &EdgeButton::poll>, this) {
        Gpio<gpio>::input();
        timer.repeat(Debounce::INTERVAL);
    }

    // The state that a change of the button leads to.
    virtual bool onEdge(bool pressed) = 0;

    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

  private:
    void publishState() override { this->publish(on); }

    // What comes too early after a change is looked at again in later polls.
    void poll() {
        if (!contact.changed(Gpio<gpio>::read() != inverted)) {
            return;
        }
        if (this->damped()) {
            contact = Debounce(!contact.level());
            return;
        }
        const bool now = onEdge(contact.level());
        if (now != on) {
            on = now;
            publishState();
            if (callback != nullptr) {
                callback(on);
            }
        }
    }

    bool on = false;
    Debounce contact;
    const Callback callback;
    Timer timer;
};

}  // namespace esper
