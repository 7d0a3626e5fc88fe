#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// A decimal number without floating point: value divided by 10 as often as digits says, so
// Decimal(215, 1) is 21.5 and Decimal(-5, 2) is -0.05. A whole number converts by itself.
struct Decimal {
    static constexpr uint8_t MAX_DIGITS = 9;
    static constexpr size_t MAX_LENGTH = 24;  // of a number in a command, in bytes

    constexpr Decimal(int32_t value, uint8_t digits = 0)
        : value(value), digits(digits < MAX_DIGITS ? digits : MAX_DIGITS) {}

    // No value now, written as None: a part does not answer, say.
    static constexpr Decimal none() {
        Decimal d(0);
        d.digits = NONE;
        return d;
    }

    constexpr bool isNone() const { return digits == NONE; }
    constexpr bool operator==(const Decimal& other) const {
        return value == other.value && digits == other.digits;
    }
    constexpr bool operator!=(const Decimal& other) const { return !(*this == other); }

    // Writes it, with just that many digits behind the point: at most 13 bytes. Out has an
    // add(char).
    template <class Out>
    constexpr void write(Out& out) const {
        if (isNone()) {
            for (const char* c = "None"; *c != 0; c++) {
                out.add(*c);
            }
            return;
        }
        char reversed[MAX_DIGITS + 2] = {};
        uint32_t rest =
            value < 0 ? 0u - static_cast<uint32_t>(value) : static_cast<uint32_t>(value);
        size_t count = 0;
        do {
            reversed[count++] = static_cast<char>('0' + rest % 10);
            rest /= 10;
        } while (rest != 0 || count <= digits);
        if (value < 0) {
            out.add('-');
        }
        while (count > 0) {
            out.add(reversed[--count]);
            if (count > 0 && count == digits) {
                out.add('.');
            }
        }
    }

    // Reads a number of a command: "-", digits without leading zeros, and perhaps a point with at
    // least one digit behind it. The result is in units of 10^-places: "21.5" with 1 place is 215.
    // False, and out is as it was: it is none, does not fit, or needs more places.
    static constexpr bool parse(const char* text, size_t length, uint8_t places, int32_t& out) {
        const bool negative = length > 0 && text[0] == '-';
        const uint32_t limit = negative ? 2147483648u : 2147483647u;
        size_t at = negative ? 1 : 0;
        if (length > MAX_LENGTH || at == length ||
            (text[at] == '0' && length - at > 1 && text[at + 1] != '.')) {
            return false;
        }
        uint32_t number = 0;
        uint8_t behind = 0;
        bool point = false;
        for (size_t begin = at; at < length; at++) {
            if (text[at] == '.' && !point && at > begin && at + 1 < length) {
                point = true;
                continue;
            }
            const uint32_t digit = static_cast<uint32_t>(text[at]) - '0';
            if (digit > 9) {
                return false;
            }
            if (point && behind == places) {
                if (digit != 0) {
                    return false;
                }
                continue;
            }
            behind += point ? 1 : 0;
            if (number > (limit - digit) / 10) {
                return false;
            }
            number = 10 * number + digit;
        }
        for (; behind < places; behind++) {
            if (number > limit / 10) {
                return false;
            }
            number *= 10;
        }
        out = static_cast<int32_t>(negative ? 0u - number : number);
        return true;
    }

    // Converts to units of 10^-places. False: it does not fit, or needs more places.
    constexpr bool scale(uint8_t places, int32_t& out) const {
        if (isNone()) {
            return false;
        }
        int32_t scaled = value;
        for (uint8_t i = digits; i < places; i++) {
            if (scaled > INT32_MAX / 10 || scaled < INT32_MIN / 10) {
                return false;
            }
            scaled *= 10;
        }
        for (uint8_t i = places; i < digits; i++) {
            if (scaled / 10 * 10 != scaled) {
                return false;
            }
            scaled /= 10;
        }
        out = scaled;
        return true;
    }

    int32_t value;
    uint8_t digits;

  private:
    static constexpr uint8_t NONE = 255;
};

// What a sample function returns when there is nothing to measure now.
inline constexpr Decimal NO_VALUE = Decimal::none();

}  // namespace esper
