#pragma once

#include <stdint.h>

#include "../Timer.h"
#include "Feature.h"

namespace esper {

// Publishes what a function measures, every so many seconds.
template <const char* const name, int32_t (*sample)(), uint32_t seconds = 60>
class Sensor : public Feature<name> {
    static_assert(seconds > 0 && seconds <= 6870, "the range of the SDK's timers");

  public:
    explicit Sensor(Device* device)
        : Feature<name>(device, "sensor"), timer(bind<Sensor, &Sensor::measure>, this) {
        timer.repeat(seconds * 1000);
    }

  private:
    void measure() { publishState(); }
    void publishState() override { this->publish(sample()); }

    Timer timer;
};

}  // namespace esper
