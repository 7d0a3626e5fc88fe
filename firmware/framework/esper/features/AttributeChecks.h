#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Attributes.h"
#include "FeatureName.h"
#include "Printable.h"

namespace esper {
namespace attributes {

// The kind's name in the info. Known at compile time, so only those that are used cost RAM.
constexpr const char* nameOf(Kind kind) {
    return kind == Kind::SWITCH          ? "switch"
           : kind == Kind::LIGHT         ? "light"
           : kind == Kind::BINARY_SENSOR ? "binary_sensor"
           : kind == Kind::SENSOR        ? "sensor"
           : kind == Kind::NUMBER        ? "number"
           : kind == Kind::SELECT        ? "select"
           : kind == Kind::BUTTON        ? "button"
           : kind == Kind::EVENT         ? "event"
           : kind == Kind::COVER         ? "cover"
                                         : "";
}

// Whether a text is printable UTF-8 of 1 to max bytes; nullptr: it was not said.
constexpr bool isText(const char* text, size_t max) {
    if (text == nullptr) {
        return true;
    }
    size_t length = 0;
    while (text[length] != 0) {
        const size_t bytes = printableBytes(text + length);
        if (bytes == 0) {
            return false;
        }
        length += bytes;
    }
    return length > 0 && length <= max;
}

// Whether a text is 1 to max of a-z, 0-9 and the others; nullptr: it was not said.
constexpr bool isWord(const char* text, size_t max, const char* others) {
    if (text == nullptr) {
        return true;
    }
    for (size_t i = 0; text[i] != 0; i++) {
        const char c = text[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        for (const char* other = others; *other != 0; other++) {
            good = good || c == *other;
        }
        if (!good) {
            return false;
        }
    }
    return text[0] != 0 && feature_name::length(text) <= max;
}

constexpr bool areOptions(const Attributes::Values& v) {
    for (size_t i = 0; i < v.optionCount; i++) {
        const char* const text = v.options[i];
        if (text == nullptr || !isText(text, Attributes::MAX_OPTION) || text[0] == ' ' ||
            text[feature_name::length(text) - 1] == ' ') {
            return false;
        }
    }
    return true;
}

constexpr bool areDifferent(const Attributes::Values& v) {
    for (size_t i = 0; i < v.optionCount; i++) {
        for (size_t j = 0; j < i; j++) {
            if (feature_name::equal(v.options[i], v.options[j])) {
                return false;
            }
        }
    }
    return true;
}

// The decimals of a number: as many as its range has.
constexpr uint8_t places(const Attributes::Values& v) {
    uint8_t most = v.least.digits > v.most.digits ? v.least.digits : v.most.digits;
    return most > v.step.digits ? most : v.step.digits;
}

// A bound of a number in units of its last decimal.
constexpr int32_t scaled(const Attributes::Values& v, Decimal bound) {
    int32_t out = 0;
    bound.scale(places(v), out);
    return out;
}

constexpr bool isRange(const Attributes::Values& v) {
    int32_t least = 0;
    int32_t most = 0;
    int32_t step = 0;
    return v.least.scale(places(v), least) && v.most.scale(places(v), most) &&
           v.step.scale(places(v), step) && least < most && step > 0 &&
           static_cast<uint32_t>(most) - static_cast<uint32_t>(least) >=
               static_cast<uint32_t>(step);
}

// Does not compile if the attributes break a limit, or are not of the kind.
template <Kind kind, const Attributes& about>
struct Checked {
    static constexpr bool COMMANDS =
        kind != Kind::SENSOR && kind != Kind::BINARY_SENSOR && kind != Kind::EVENT;

    static_assert(isText(about.values.name, Attributes::MAX_NAME),
                  "name: 1 to 64 bytes of printable text, in UTF-8");
    static_assert(isWord(about.values.icon, Attributes::MAX_ICON, ":-"),
                  "icon: 1 to 64 characters of a-z 0-9 : -, such as mdi:fan");
    static_assert(COMMANDS || about.values.category == nullptr || about.values.category[0] != 'c',
                  "config: only of what takes commands; say diagnostic()");
    static_assert(isWord(about.values.deviceClass, Attributes::MAX_CLASS, "_"),
                  "deviceClass: 1 to 32 characters of a-z 0-9 _");
    static_assert((kind != Kind::LIGHT && kind != Kind::SELECT) ||
                      about.values.deviceClass == nullptr,
                  "deviceClass: a light and a select have none");
    static_assert(isText(about.values.unit, Attributes::MAX_UNIT),
                  "unit: 1 to 16 bytes of printable text, in UTF-8");
    static_assert(kind == Kind::SENSOR || kind == Kind::NUMBER || about.values.unit == nullptr,
                  "unit: only of a sensor or a number");
    static_assert(about.values.precision == Attributes::UNSAID ||
                      (about.values.precision >= 0 &&
                       about.values.precision <= Attributes::MAX_PRECISION),
                  "precision: 0 to 6 decimals");
    static_assert(kind == Kind::SENSOR || about.values.precision == Attributes::UNSAID,
                  "precision: only of a sensor");
    static_assert(kind == Kind::SENSOR || about.values.stateClass == nullptr,
                  "measurement, total, totalIncreasing: only of a sensor");
    static_assert(kind == Kind::SENSOR || !about.values.text, "text: only of a sensor");
    static_assert(!about.values.text || (about.values.unit == nullptr &&
                                         about.values.precision == Attributes::UNSAID &&
                                         about.values.stateClass == nullptr),
                  "unit, precision, measurement, total, totalIncreasing: not of a sensor of texts");
    static_assert(kind == Kind::NUMBER || !about.values.ranged, "range: only of a number");
    static_assert(isRange(about.values),
                  "range: least must be less than most, by at least step, and step more than 0; "
                  "all within 2147483647 of their last decimal");
    static_assert(kind == Kind::SELECT || kind == Kind::EVENT || about.values.optionCount == 0,
                  "options: only of a select or an event");
    static_assert((kind != Kind::SELECT || about.values.optionCount >= 2) &&
                      (kind != Kind::EVENT || about.values.optionCount >= 1),
                  "options: a select needs 2 at least, an event 1");
    static_assert(areOptions(about.values),
                  "options: each 1 to 32 bytes of printable text, without blanks around it");
    static_assert(!areOptions(about.values) || areDifferent(about.values),
                  "options: two are the same");
    static_assert(kind == Kind::LIGHT || (!about.values.brightness && !about.values.color),
                  "brightness, color: only of a light");
    static_assert(kind == Kind::COVER || !about.values.position, "position: only of a cover");
};

// Writes the attributes as a JSON object (RFC 8259).
template <const Attributes& about>
class AsJson {
  public:
    template <class Out>
    static constexpr void write(Out& out) {
        const Attributes::Values& v = about.values;
        bool first = true;
        out.add('{');
        string(out, first, "name", v.name);
        string(out, first, "icon", v.icon);
        string(out, first, "category", v.category);
        if (v.hidden) {
            key(out, first, "enabled");
            plain(out, "false");
        }
        string(out, first, "device_class", v.deviceClass);
        string(out, first, "unit", v.unit);
        if (v.precision != Attributes::UNSAID) {
            number(out, first, "precision", v.precision);
        }
        string(out, first, "state_class", v.stateClass);
        flag(out, first, "text", v.text);
        if (v.ranged) {
            number(out, first, "min", v.least);
            number(out, first, "max", v.most);
            number(out, first, "step", v.step);
        }
        if (v.optionCount > 0) {
            key(out, first, "options");
            for (size_t i = 0; i < v.optionCount; i++) {
                out.add(i == 0 ? '[' : ',');
                quoted(out, v.options[i]);
            }
            out.add(']');
        }
        flag(out, first, "brightness", v.brightness);
        flag(out, first, "color", v.color);
        flag(out, first, "position", v.position);
        out.add('}');
    }

  private:
    template <class Out>
    static constexpr void plain(Out& out, const char* text) {
        for (; *text != 0; text++) {
            out.add(*text);
        }
    }

    // What must be escaped beside these two is not printable.
    template <class Out>
    static constexpr void quoted(Out& out, const char* text) {
        out.add('"');
        for (; *text != 0; text++) {
            if (*text == '"' || *text == '\\') {
                out.add('\\');
            }
            out.add(*text);
        }
        out.add('"');
    }

    template <class Out>
    static constexpr void key(Out& out, bool& first, const char* name) {
        if (!first) {
            out.add(',');
        }
        first = false;
        quoted(out, name);
        out.add(':');
    }

    template <class Out>
    static constexpr void string(Out& out, bool& first, const char* name, const char* text) {
        if (text != nullptr) {
            key(out, first, name);
            quoted(out, text);
        }
    }

    template <class Out>
    static constexpr void flag(Out& out, bool& first, const char* name, bool set) {
        if (set) {
            key(out, first, name);
            plain(out, "true");
        }
    }

    template <class Out>
    static constexpr void number(Out& out, bool& first, const char* name, Decimal value) {
        key(out, first, name);
        value.write(out);
    }
};

// Writes the options of a select, each behind its length.
template <const Attributes& about>
struct AsOptions {
    template <class Out>
    static constexpr void write(Out& out) {
        for (size_t i = 0; i < about.values.optionCount; i++) {
            out.add(static_cast<char>(feature_name::length(about.values.options[i])));
            for (const char* c = about.values.options[i]; *c != 0; c++) {
                out.add(*c);
            }
        }
    }
};

}  // namespace attributes
}  // namespace esper
