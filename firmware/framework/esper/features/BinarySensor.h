#pragma once

#include <stdint.h>

#include "Feature.h"

namespace esper {

// Yes or no, which device code publishes. Of kind binary_sensor; its state is 1, 0, or None as long
// as there is no value. RAM: 20 bytes.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class BinarySensor : public FeatureOf<Kind::BINARY_SENSOR, name, about> {
  public:
    explicit BinarySensor(Device* device) : FeatureOf<Kind::BINARY_SENSOR, name, about>(device) {}

    // Publishes a value, if it is another one than before.
    void set(bool yes) { change(yes ? YES : NO); }

    // Publishes that there is no value now.
    void none() { change(UNKNOWN); }

    bool isOn() const { return state == YES; }

  private:
    enum State : uint8_t { NO, YES, UNKNOWN };

    void publishState() override {
        state == UNKNOWN ? this->publish(NO_VALUE) : this->publish(state == YES);
    }

    void change(State now) {
        if (state != now) {
            state = now;
            publishState();
        }
    }

    State state = UNKNOWN;
};

}  // namespace esper
