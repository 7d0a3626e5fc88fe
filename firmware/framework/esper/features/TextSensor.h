#pragma once

#include <stddef.h>
#include <string.h>

#include "Feature.h"
#include "Printable.h"

namespace esper {

namespace attributes {

template <const Attributes& about>
struct OfTextSensor {
    static constexpr Attributes VALUE = about.text();
};

}  // namespace attributes

// A text that device code publishes: printable UTF-8 of at most so many bytes, up to 64. What is
// longer is cut, at a character's end; bytes that are not printable are replaced by "?". Of kind
// sensor. RAM: 20 bytes, and those of the text.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES, size_t length = 64>
class TextSensor : public FeatureOf<Kind::SENSOR, name, attributes::OfTextSensor<about>::VALUE> {
    static_assert(length >= 1 && length <= 64, "a TextSensor has texts of 1 to 64 bytes");

  public:
    explicit TextSensor(Device* device)
        : FeatureOf<Kind::SENSOR, name, attributes::OfTextSensor<about>::VALUE>(device) {}

    // Publishes a text. No broker retains an empty one, so there is none of that kind before.
    void set(const char* wanted) {
        copyPrintable(wanted, value, sizeof(value));
        publishState();
    }

    const char* get() const { return value; }

  private:
    void publishState() override { this->publish(value, strlen(value)); }

    char value[length + 1] = {};
};

}  // namespace esper
