#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../Gpio.h"
#include "../Timer.h"
#include "Damper.h"
#include "Trigger.h"

namespace esper {

// Switches a pin on for a moment, for a door opener say: by press at <name>/set for maxDuration
// milliseconds, or by a number of milliseconds at <name>/pulse, of which what is more than
// maxDuration is cut. Publishes the duration at <name>/triggered, not retained. The pin is high
// during the pulse, or low if it is inverted. Within damper milliseconds after a command further
// ones are ignored. Of kind button. RAM: 92 bytes, and 8 with a damper.
template <const char* const name, uint16_t gpio, bool invert = false, uint16_t damper = 0,
          uint16_t maxDuration = 0, const Attributes& about = NO_ATTRIBUTES>
class Pulse : public Command<name, about>, private Damper<damper> {
    static_assert(maxDuration > 0, "a Pulse needs its longest duration, in milliseconds");

  public:
    explicit Pulse(Device* device)
        : Command<name, about>(device),
          timer(bind<Pulse, &Pulse::end>, this),
          durations(device, Subscription::Scope::ONE, name, "pulse",
                    receive<Pulse, &Pulse::onDuration>, this) {
        Gpio<gpio>::output(invert);
    }

    // From now on, even if there is a pulse already.
    void pulse(uint16_t milliseconds) {
        const uint16_t duration = milliseconds < maxDuration ? milliseconds : maxDuration;
        if (duration == 0) {
            return;
        }
        Gpio<gpio>::write(!invert);
        timer.once(duration);
        char buffer[8];
        Text text(buffer, sizeof(buffer));
        text.number(uint32_t{duration});
        this->announce(name, "triggered", text.text(), text.length());
    }

    void press() override {
        if (!this->damped()) {
            pulse(maxDuration);
        }
    }

  private:
    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

    void onDuration(const char* payload, size_t length) {
        int32_t wanted = 0;
        if (Decimal::parse(payload, length, 0, wanted) && wanted > 0 && !this->damped()) {
            pulse(wanted < maxDuration ? static_cast<uint16_t>(wanted) : maxDuration);
        }
    }

    void end() { Gpio<gpio>::write(invert); }

    Timer timer;
    Subscription durations;
};

}  // namespace esper
