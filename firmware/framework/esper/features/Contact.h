#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Debounce.h"
#include "Feature.h"

namespace esper {

// A contact between a pin and ground, of a door or a window say, against the pin's pull-up: 1 while
// it is open, 0 while it is closed, or the reverse if it is inverted. Of kind binary_sensor. It is
// polled, which also rides out its bouncing: a change is published after 20 to 30 ms. RAM: 40
// bytes.
template <const char* const name, uint16_t gpio, bool invert = false,
          const Attributes& about = NO_ATTRIBUTES>
class Contact : public FeatureOf<Kind::BINARY_SENSOR, name, about> {
  public:
    explicit Contact(Device* device)
        : FeatureOf<Kind::BINARY_SENSOR, name, about>(device),
          timer(bind<Contact, &Contact::poll>, this) {
        Gpio<gpio>::input();
        contact = Debounce(read());
        timer.repeat(Debounce::INTERVAL);
    }

    bool isOn() const { return contact.level(); }

  private:
    void publishState() override { this->publish(contact.level()); }
    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

    static bool read() { return Gpio<gpio>::read() != invert; }

    void poll() {
        if (contact.changed(read())) {
            publishState();
        }
    }

    Debounce contact;
    Timer timer;
};

}  // namespace esper
