#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// The bytes of the UTF-8 character (RFC 3629) that a text ended by a 0 begins with; 0 if it is none
// that can be printed, such as a control character.
constexpr size_t printableBytes(const char* text) {
    const uint8_t first = static_cast<uint8_t>(text[0]);
    const size_t bytes = first < 0x80                    ? 1
                         : first >= 0xC2 && first < 0xE0 ? 2
                         : first >= 0xE0 && first < 0xF0 ? 3
                         : first >= 0xF0 && first < 0xF5 ? 4
                                                         : 0;
    if (bytes == 0 || first < 0x20 || first == 0x7F) {
        return 0;
    }
    uint32_t code = bytes == 1 ? first : first & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        const uint8_t next = static_cast<uint8_t>(text[i]);
        if ((next & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (next & 0x3Fu);
    }
    const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const bool control = code >= 0x80 && code < 0xA0;
    return overlong || surrogate || control || code > 0x10FFFF ? 0 : bytes;
}

// Copies a text as far as whole characters of it fit, with a 0 behind them. Bytes that cannot be
// printed become "?". Capacity: at least 1.
void copyPrintable(const char* from, char* to, size_t capacity);

}  // namespace esper
