#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Action.h"
#include "Debounce.h"
#include "Feature.h"

namespace esper {

// A push button: 1 while it is pressed, 0 otherwise. It closes to ground, against the pin's
// pull-up, unless told otherwise. It is polled, which also rides out its bouncing. Of kind
// binary_sensor; a PushButton publishes what happens instead. RAM: 48 bytes.
template <const char* const name, uint16_t gpio, bool closesToGround = true,
          const Attributes& about = NO_ATTRIBUTES>
class Button : public FeatureOf<Kind::BINARY_SENSOR, name, about> {
  public:
    explicit Button(Device* device, Action action = {})
        : FeatureOf<Kind::BINARY_SENSOR, name, about>(device),
          action(action),
          timer(bind<Button, &Button::poll>, this) {
        Gpio<gpio>::input();
        timer.repeat(Debounce::INTERVAL);
    }

  private:
    void publishState() override { this->publish(contact.level()); }
    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

    void poll() {
        if (contact.changed(Gpio<gpio>::read() != closesToGround)) {
            publishState();
            if (contact.level()) {
                action();
            }
        }
    }

    Debounce contact;
    const Action action;
    Timer timer;
};

}  // namespace esper
