#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Feature.h"

namespace esper {

// What a button does when it is pressed.
struct Action {
    void (*function)(void* object) = nullptr;
    void* object = nullptr;
};

// Toggles an OnOffFeature.
template <typename OnOff>
Action toggles(OnOff& feature) {
    return {bind<OnOff, &OnOff::toggle>, &feature};
}

// A push button: 1 while it is pressed, 0 otherwise. It closes to ground, against the pin's
// pull-up, unless told otherwise. It is polled, which also rides out its bouncing.
template <const char* const name, uint16_t gpio, bool closesToGround = true>
class Button : public Feature<name> {
  public:
    explicit Button(Device* device, Action action = {})
        : Feature<name>(device, "binary_sensor"),
          action(action),
          timer(bind<Button, &Button::poll>, this) {
        Gpio<gpio>::input();
        timer.repeat(INTERVAL);
    }

  private:
    static constexpr uint32_t INTERVAL = 10;  // ms
    static constexpr uint8_t STABLE = 3;      // polls that agree make a change

    void publishState() override { this->publish(pressed); }

    void poll() {
        const bool now = Gpio<gpio>::read() != closesToGround;
        if (now == pressed) {
            different = 0;
        } else if (++different == STABLE) {
            different = 0;
            pressed = now;
            publishState();
            if (pressed && action.function != nullptr) {
                action.function(action.object);
            }
        }
    }

    bool pressed = false;
    uint8_t different = 0;
    const Action action;
    Timer timer;
};

}  // namespace esper
