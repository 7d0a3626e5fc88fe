#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace esper {

// Builds a 0-terminated text in a buffer of fixed size. What does not fit is left out, and
// fits() tells.
class Text {
  public:
    Text(char* buffer, size_t capacity) : buffer(buffer), capacity(capacity) { buffer[0] = 0; }

    Text& add(char c) {
        if (used + 1 < capacity) {
            buffer[used++] = c;
            buffer[used] = 0;
        } else {
            whole = false;
        }
        return *this;
    }

    Text& add(const char* text) { return add(text, strlen(text)); }

    Text& add(const char* text, size_t length) {
        for (size_t i = 0; i < length; i++) {
            add(text[i]);
        }
        return *this;
    }

    Text& number(uint32_t value) {
        char digits[10];
        size_t count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        while (count > 0) {
            add(digits[--count]);
        }
        return *this;
    }

    Text& number(int32_t value) {
        if (value >= 0) {
            return number(static_cast<uint32_t>(value));
        }
        return add('-').number(0u - static_cast<uint32_t>(value));
    }

    // The lowest digits of the value, lower case.
    Text& hex(uint32_t value, unsigned digits) {
        while (digits > 0) {
            digits--;
            add(hexDigit(value >> (4 * digits)));
        }
        return *this;
    }

    Text& hex(const uint8_t* bytes, size_t length) {
        for (size_t i = 0; i < length; i++) {
            hex(bytes[i], 2);
        }
        return *this;
    }

    const char* text() const { return buffer; }
    size_t length() const { return used; }
    bool fits() const { return whole; }

  private:
    // By arithmetic, as a table would cost RAM.
    static char hexDigit(uint32_t value) {
        value &= 15;
        return static_cast<char>(value < 10 ? '0' + value : 'a' + value - 10);
    }

    char* buffer;
    size_t capacity;
    size_t used = 0;
    bool whole = true;
};

}  // namespace esper
