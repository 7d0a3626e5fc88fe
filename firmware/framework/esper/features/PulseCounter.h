#pragma once

#include <stdint.h>

#include "../Interrupt.h"
#include "../Persisted.h"
#include "../Reset.h"
#include "../Timer.h"
#include "Feature.h"

namespace esper {

// Counts pulses at a pin, as of a meter for water, gas or electricity. The total outlives restarts
// and updates: it is saved every `minutes`, 1 to 1440, and before a restart, so that a power cut
// loses the pulses of that time at most. It is published every `seconds`, 1 to 3600, if it has
// changed.
//
// Name: also that of the persisted value, so of a-z 0-9 _ - only. Quiet: microseconds that a level
// must have lasted before an edge that counts (Interrupt.h).
template <const char* const name, uint16_t gpio, Edge edge = Edge::FALLING, uint32_t quiet = 5000,
          uint32_t minutes = 60, uint32_t seconds = 10, const Attributes& about = NO_ATTRIBUTES>
class PulseCounter : public FeatureOf<Kind::SENSOR, name, about> {
    static_assert(minutes >= 1 && minutes <= 1440, "the total is saved every 1 to 1440 minutes");
    static_assert(seconds >= 1 && seconds <= 3600,
                  "the total is published every 1 to 3600 seconds");
    static_assert(edge != Edge::BOTH, "a pulse is counted at its rising or its falling edge");

  public:
    explicit PulseCounter(Device* device)
        : FeatureOf<Kind::SENSOR, name, about>(device),
          saved(name, 0),
          total(saved),
          interrupt(edge, quiet),
          timer(bind<PulseCounter, &PulseCounter::look>, this),
          beforeEnd([](void* counter, uint32_t) { static_cast<PulseCounter*>(counter)->collect(); },
                    this) {
        timer.repeat(INTERVAL);
    }

    // Pulses since the value was first kept; wraps after 4294967295.
    uint32_t count() const { return total; }

    // Makes the total what a meter shows, say.
    void set(uint32_t pulses) {
        total = pulses;
        saved.set(total);
        publishState();
    }

  private:
    static constexpr uint32_t INTERVAL = 1000;  // ms

    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

    void collect() {
        const uint32_t now = interrupt.count();
        if (now != seen) {
            total += now - seen;
            seen = now;
            saved.set(total, minutes * 60000);
        }
    }

    void look() {
        collect();
        if (++waited >= seconds && total != published) {
            publishState();
        }
    }

    void publishState() override {
        char buffer[12];
        Text text(buffer, sizeof(buffer));
        text.number(total);
        published = total;
        waited = 0;
        this->publish(text.text(), text.length());
    }

    Persisted<uint32_t> saved;
    uint32_t total;
    uint32_t seen = 0;  // of the interrupt's
    uint32_t published = 0;
    uint32_t waited = 0;  // s
    Interrupt<gpio> interrupt;
    Timer timer;
    BeforeEnd beforeEnd;
};

}  // namespace esper
