#pragma once

#include "Text.h"

namespace esper {

// Writes a JSON text (RFC 8259) member by member. The caller keeps the nesting right; commas
// and escapes come by themselves.
class Json {
  public:
    Json(char* buffer, size_t capacity) : out(buffer, capacity) {}

    Json& object(const char* key = nullptr) { return open(key, '{'); }
    Json& array(const char* key) { return open(key, '['); }
    Json& endObject() { return close('}'); }
    Json& endArray() { return close(']'); }

    Json& null(const char* key = nullptr) {
        begin(key);
        out.add("null");
        return *this;
    }

    Json& flag(const char* key, bool value) {
        begin(key);
        out.add(value ? "true" : "false");
        return *this;
    }

    template <typename Number>
    Json& number(const char* key, Number value) {
        begin(key);
        out.number(value);
        return *this;
    }

    Json& string(const char* key, const char* value) {
        begin(key);
        out.add('"');
        for (; *value != 0; value++) {
            escape(*value);
        }
        out.add('"');
        return *this;
    }

    // The lowest digits of the value, as a string.
    Json& hex(const char* key, uint32_t value, unsigned digits) {
        begin(key);
        out.add('"').hex(value, digits).add('"');
        return *this;
    }

    // Six bytes as 00:11:22:33:44:55.
    Json& mac(const char* key, const uint8_t* bytes) {
        begin(key);
        out.add('"');
        for (int i = 0; i < 6; i++) {
            if (i > 0) {
                out.add(':');
            }
            out.hex(bytes[i], 2);
        }
        out.add('"');
        return *this;
    }

    // Four bytes, the first in the lowest place, as 192.168.1.10.
    Json& address(const char* key, uint32_t value) {
        begin(key);
        out.add('"');
        for (unsigned i = 0; i < 4; i++) {
            if (i > 0) {
                out.add('.');
            }
            out.number((value >> (8 * i)) & 255);
        }
        out.add('"');
        return *this;
    }

    const char* text() const { return out.text(); }
    size_t length() const { return out.length(); }
    bool fits() const { return out.fits(); }

  private:
    Json& open(const char* key, char bracket) {
        begin(key);
        out.add(bracket);
        first = true;
        return *this;
    }

    Json& close(char bracket) {
        out.add(bracket);
        first = false;
        return *this;
    }

    void begin(const char* key) {
        if (!first) {
            out.add(',');
        }
        first = false;
        if (key != nullptr) {
            out.add('"').add(key).add("\":");
        }
    }

    // Bytes from 0x80 pass as they are: names of networks are UTF-8, if anything.
    void escape(char c) {
        if (c == '"' || c == '\\') {
            out.add('\\').add(c);
        } else if (static_cast<uint8_t>(c) < 0x20) {
            out.add("\\u").hex(static_cast<uint8_t>(c), 4);
        } else {
            out.add(c);
        }
    }

    Text out;
    bool first = true;
};

}  // namespace esper
