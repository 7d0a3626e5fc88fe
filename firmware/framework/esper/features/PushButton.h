#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Action.h"
#include "Debounce.h"
#include "Event.h"

namespace esper {

namespace attributes {

// The attributes of a push button: with its options, whatever else they say.
template <const Attributes& about>
struct OfPushButton {
    static_assert(about.values.optionCount == 0,
                  "options: those of a PushButton are single, double and long");
    static constexpr Attributes VALUE = about.options("single", "double", "long");
};

}  // namespace attributes

// A push button that publishes what happens, as events:
//
// - long, while it is still pressed, 800 ms after it was pressed;
// - double, when it is pressed again within 300 ms after it was released;
// - single, 300 ms after it was released, if it was not pressed again.
//
// It closes to ground, against the pin's pull-up, unless told otherwise. It is polled every 10 ms,
// which also rides out its bouncing; a button that is pressed when the device starts counts from
// when it is pressed again. For each of the events device code may have something done, at once and
// without a broker, too. Of kind event. RAM: 76 bytes.
template <const char* const name, uint16_t gpio, bool closesToGround = true,
          const Attributes& about = NO_ATTRIBUTES>
class PushButton : public Event<name, attributes::OfPushButton<about>::VALUE> {
    using Base = Event<name, attributes::OfPushButton<about>::VALUE>;

  public:
    static constexpr uint32_t LONG = 800;    // ms
    static constexpr uint32_t DOUBLE = 300;  // ms

    explicit PushButton(Device* device, Action onSingle = {}, Action onDouble = {},
                        Action onLong = {})
        : Base(device),
          actions{onSingle, onDouble, onLong},
          timer(bind<PushButton, &PushButton::poll>, this) {
        Gpio<gpio>::input();
        contact = Debounce(read());
        state = contact.level() ? State::DONE : State::IDLE;
        timer.repeat(Debounce::INTERVAL);
    }

  private:
    enum class State : uint8_t { IDLE, PRESSED, RELEASED, DONE };
    enum Option : uint8_t { SINGLE_PRESS, DOUBLE_PRESS, LONG_PRESS };

    Description describe() const override { return Base::describe().on(gpio); }

    static bool read() { return Gpio<gpio>::read() != closesToGround; }

    void poll() {
        if (contact.changed(read())) {
            contact.level() ? onPress() : onRelease();
        } else if (state == State::PRESSED && ++ticks == LONG / Debounce::INTERVAL) {
            happens(LONG_PRESS, State::DONE);
        } else if (state == State::RELEASED && ++ticks == DOUBLE / Debounce::INTERVAL) {
            happens(SINGLE_PRESS, State::IDLE);
        }
    }

    void onPress() {
        ticks = 0;
        if (state == State::RELEASED) {
            happens(DOUBLE_PRESS, State::DONE);
        } else {
            state = State::PRESSED;
        }
    }

    void onRelease() {
        ticks = 0;
        state = state == State::PRESSED ? State::RELEASED : State::IDLE;
    }

    void happens(Option option, State then) {
        state = then;
        this->publishAt(option);
        actions[option]();
    }

    Debounce contact;
    State state = State::IDLE;
    uint8_t ticks = 0;  // since it was pressed or released
    const Action actions[3];
    Timer timer;
};

}  // namespace esper
