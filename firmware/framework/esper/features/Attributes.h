#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../Decimal.h"
#include "../InFlash.h"

namespace esper {

// What a feature says about itself beside its name and kind (SPEC 7.6), for dashboards and Home
// Assistant. It is put together at compile time and lies in flash: it costs no RAM, and a feature
// without attributes no flash either.
//
//     constexpr Attributes OUTSIDE =
//         Attributes().name("Outside").unit("°C").precision(1).deviceClass("temperature");
//     Sensor<NAME, measure, 60, OUTSIDE> outside(&device);
//
// What a kind of feature does not have, or what is too long, does not compile.
class Attributes {
  public:
    static constexpr size_t MAX_NAME = 64;  // bytes
    static constexpr size_t MAX_ICON = 64;
    static constexpr size_t MAX_CLASS = 32;
    static constexpr size_t MAX_UNIT = 16;
    static constexpr int MAX_PRECISION = 6;
    static constexpr size_t MAX_OPTIONS = 16;
    static constexpr size_t MAX_OPTION = 32;  // bytes
    static constexpr int UNSAID = -1;         // precision

    // What was said, for the framework.
    struct Values {
        const char* name = nullptr;
        const char* icon = nullptr;
        const char* category = nullptr;
        bool hidden = false;
        const char* deviceClass = nullptr;
        const char* unit = nullptr;
        int precision = UNSAID;
        const char* stateClass = nullptr;
        bool text = false;
        bool ranged = false;
        Decimal least = 0;
        Decimal most = 100;
        Decimal step = 1;
        const char* options[MAX_OPTIONS] = {};
        size_t optionCount = 0;
        bool brightness = false;
        bool color = false;
        bool position = false;
    };
    Values values;

  private:
    // Before its users, or clang does not take it for a constant.
    template <class Value>
    constexpr Attributes with(Value Values::*member, Value value) const {
        Attributes copy = *this;
        copy.values.*member = value;
        return copy;
    }

  public:
    // Its name for people: at most 64 bytes.
    constexpr Attributes name(const char* text) const { return with(&Values::name, text); }

    // An icon of Home Assistant, such as "mdi:fan".
    constexpr Attributes icon(const char* text) const { return with(&Values::icon, text); }

    // It is about the device itself, such as its heap.
    constexpr Attributes diagnostic() const { return with(&Values::category, "diagnostic"); }

    // It changes how the device works. Only of what takes commands.
    constexpr Attributes config() const { return with(&Values::category, "config"); }

    // Hidden until somebody wants it.
    constexpr Attributes hidden() const { return with(&Values::hidden, true); }

    // Home Assistant's device class, such as "temperature" or "door".
    constexpr Attributes deviceClass(const char* text) const {
        return with(&Values::deviceClass, text);
    }

    // The unit of a sensor or number: at most 16 bytes.
    constexpr Attributes unit(const char* text) const { return with(&Values::unit, text); }

    // How many decimals of a sensor to show, 0 to 6.
    constexpr Attributes precision(int decimals) const {
        return with(&Values::precision, decimals);
    }

    // What statistics of a sensor mean: a measurement, a total that may fall, or one that only
    // rises and begins again at 0, such as a meter's.
    constexpr Attributes measurement() const { return with(&Values::stateClass, "measurement"); }
    constexpr Attributes total() const { return with(&Values::stateClass, "total"); }
    constexpr Attributes totalIncreasing() const {
        return with(&Values::stateClass, "total_increasing");
    }

    // The state of a sensor is a text.
    constexpr Attributes text() const { return with(&Values::text, true); }

    // What a number may be: from least to most, and least plus a multiple of step. Without it 0 to
    // 100 by 1. Decimal(5, 1) is 0.5.
    constexpr Attributes range(Decimal least, Decimal most, Decimal step = 1) const {
        return with(&Values::ranged, true)
            .with(&Values::least, least)
            .with(&Values::most, most)
            .with(&Values::step, step);
    }

    // What a select or an event may be: 2 to 16 different texts of 1 to 32 bytes; of an event 1 to
    // 16.
    template <class... Texts>
    constexpr Attributes options(Texts... texts) const {
        static_assert(sizeof...(texts) <= MAX_OPTIONS, "options: there can be 16 at most");
        Attributes copy = *this;
        copy.values.optionCount = 0;
        (copy.option(texts), ...);
        return copy;
    }

    // A light has a brightness, or a colour.
    constexpr Attributes brightness() const { return with(&Values::brightness, true); }
    constexpr Attributes color() const { return with(&Values::color, true); }

    // A cover knows its position.
    constexpr Attributes position() const { return with(&Values::position, true); }

  private:
    constexpr void option(const char* text) {
        if (values.optionCount < MAX_OPTIONS) {
            values.options[values.optionCount++] = text;
        }
    }
};

// Of a feature that says nothing about itself.
inline constexpr Attributes NO_ATTRIBUTES;

// The kinds of SPEC 7.6. A feature of another kind has the attributes that all have.
enum class Kind : uint8_t {
    SWITCH,
    LIGHT,
    BINARY_SENSOR,
    SENSOR,
    NUMBER,
    SELECT,
    BUTTON,
    EVENT,
    COVER,
    OTHER
};

}  // namespace esper
