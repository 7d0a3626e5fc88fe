#pragma once

#include <stdint.h>

#include "../Timer.h"
#include "Feature.h"

namespace esper {

// A measurement that device code publishes when it has one. Of kind sensor; its state is a number,
// or None as long as there is no value. RAM: 24 bytes.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Measurement : public FeatureOf<Kind::SENSOR, name, about> {
    static_assert(!about.values.text, "text: a TextSensor has texts");

  public:
    explicit Measurement(Device* device) : FeatureOf<Kind::SENSOR, name, about>(device) {}

    // Publishes a value; NO_VALUE: there is none now.
    void set(Decimal wanted) {
        value = wanted;
        publishState();
    }

    Decimal get() const { return value; }

  private:
    void publishState() override { this->publish(value); }

    Decimal value = NO_VALUE;
};

// Whether a function's result is a measurement.
template <typename Result>
inline constexpr bool IS_MEASURED = false;
template <>
inline constexpr bool IS_MEASURED<Decimal> = true;
template <>
inline constexpr bool IS_MEASURED<int> = true;
template <>
inline constexpr bool IS_MEASURED<long> = true;
template <>
inline constexpr bool IS_MEASURED<short> = true;
template <>
inline constexpr bool IS_MEASURED<unsigned short> = true;
template <>
inline constexpr bool IS_MEASURED<signed char> = true;
template <>
inline constexpr bool IS_MEASURED<unsigned char> = true;

// Publishes what a function measures, every so many seconds: an int32_t, or a Decimal, which may be
// NO_VALUE. Of kind sensor. RAM: 36 bytes.
template <const char* const name, auto sample, uint32_t seconds = 60,
          const Attributes& about = NO_ATTRIBUTES>
class Sensor : public FeatureOf<Kind::SENSOR, name, about> {
    static_assert(seconds > 0 && seconds <= 6870,
                  "a sensor measures every 1 to 6870 seconds, the range of the SDK's timers");
    static_assert(!about.values.text, "text: a TextSensor has texts");

  public:
    explicit Sensor(Device* device)
        : FeatureOf<Kind::SENSOR, name, about>(device),
          timer(bind<Sensor, &Sensor::publishState>, this) {
        timer.repeat(seconds * 1000);
    }

  private:
    using Result = decltype(sample());
    static_assert(IS_MEASURED<Result>,
                  "a Sensor's function returns an int32_t or a Decimal: no float");

    void publishState() override {
        if constexpr (__is_same(Result, Decimal)) {
            this->publish(sample());
        } else if constexpr (IS_MEASURED<Result>) {
            this->publish(static_cast<int32_t>(sample()));
        }
    }

    Timer timer;
};

}  // namespace esper
