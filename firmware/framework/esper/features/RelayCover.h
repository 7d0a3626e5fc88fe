#pragma once

#include <stdint.h>

#include "../Clock.h"
#include "../Gpio.h"
#include "../Timer.h"
#include "Cover.h"

namespace esper {

namespace attributes {

template <const Attributes& about>
struct OfRelayCover {
    static constexpr Attributes VALUE = about.position();
};

}  // namespace attributes

// Blinds with a motor that has two relays, one for each direction, and stops by itself at both
// ends. Its position follows from how long it runs: RunTime is how many milliseconds it takes from
// one end to the other. To an end it runs a tenth longer, so that errors do not add up. When the
// device starts it does not know the position, so it closes before it first moves to one.
//
// The relays are never on at the same time, and both are off for 500 ms before the motor starts
// again. They are on while their pins are high, or low if inverted. The position is published when
// the cover starts and stops. RAM: 104 bytes.
template <const char* const name, uint16_t openGpio, uint16_t closeGpio, uint32_t runTime,
          bool invert = false, const Attributes& about = NO_ATTRIBUTES>
class RelayCover : public Cover<name, attributes::OfRelayCover<about>::VALUE> {
    using Base = Cover<name, attributes::OfRelayCover<about>::VALUE>;

    static_assert(openGpio != closeGpio, "a RelayCover needs two pins");
    static_assert(runTime >= 1000 && runTime <= 600000,
                  "a RelayCover runs for 1000 to 600000 ms from one end to the other");

  public:
    explicit RelayCover(Device* device)
        : Base(device), timer(bind<RelayCover, &RelayCover::onTimer>, this) {
        Gpio<openGpio>::output(invert);
        Gpio<closeGpio>::output(invert);
    }

    void open() override { go(END); }
    void close() override { go(0); }
    void moveTo(uint8_t percent) override { go(END * percent / 100); }

    void stop() override {
        halt();
        afterwards = NOWHERE;
        publishPosition();
    }

  private:
    static constexpr int32_t END = runTime;
    static constexpr int32_t NOWHERE = -1;
    static constexpr uint32_t PAUSE = 500;  // ms

    Description describe() const override { return Base::describe().on(openGpio).on(closeGpio); }

    void go(int32_t wanted) {
        const bool moved = direction != 0;
        if (moved && wanted == target) {
            return publishPosition();
        }
        halt();
        afterwards = NOWHERE;
        if (!known && wanted > 0 && wanted < END) {
            afterwards = wanted;
            wanted = 0;
        }
        if (!known) {
            at = END - wanted;  // as far away as it may be
        }
        target = wanted;
        if (at == target) {
            return publishPosition();
        }
        if (moved || Clock::milliseconds() - since < PAUSE) {
            timer.once(PAUSE);
        } else {
            begin();
        }
    }

    void begin() {
        direction = target > at ? 1 : -1;
        since = Clock::milliseconds();
        switchRelays();
        const int32_t way = (target - at) * direction;
        timer.once(static_cast<uint32_t>(target == 0 || target == END ? way + END / 10 : way));
        publishPosition();
    }

    // The pause is over, or the target is reached.
    void onTimer() {
        if (direction == 0) {
            return begin();
        }
        halt();
        known = known || target == 0 || target == END;
        at = target;
        publishPosition();
        if (afterwards != NOWHERE) {
            const int32_t wanted = afterwards;
            go(wanted);
        }
    }

    // Switches the motor off, and calculates where it is.
    void halt() {
        timer.stop();
        if (direction == 0) {
            return;
        }
        const uint32_t now = Clock::milliseconds();
        const uint32_t ran = now - since;
        const int32_t way = ran < runTime ? static_cast<int32_t>(ran) : END;
        at += direction * way;
        at = at < 0 ? 0 : at > END ? END : at;
        direction = 0;
        since = now;
        switchRelays();
    }

    void switchRelays() {
        if (direction <= 0) {
            Gpio<openGpio>::write(invert);
        }
        Gpio<closeGpio>::write((direction < 0) != invert);
        if (direction > 0) {
            Gpio<openGpio>::write(!invert);
        }
    }

    void publishPosition() {
        const uint8_t percent =
            known ? static_cast<uint8_t>((at * 100 + END / 2) / END) : Base::UNKNOWN;
        this->set(direction > 0        ? CoverState::OPENING
                  : direction < 0      ? CoverState::CLOSING
                  : known && at == 0   ? CoverState::CLOSED
                  : known && at == END ? CoverState::OPEN
                                       : CoverState::STOPPED,
                  percent);
    }

    int32_t at = 0;      // ms from closed
    int32_t target = 0;  // the same
    int32_t afterwards = NOWHERE;
    int8_t direction = 0;  // 1 opens, -1 closes
    bool known = false;    // the position is
    uint32_t since = 0;    // ms, of the last start or stop
    Timer timer;
};

}  // namespace esper
