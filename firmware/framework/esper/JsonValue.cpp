#include "JsonValue.h"

#include <string.h>

namespace esper {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isSurrogate(uint32_t code) {
    return code >= 0xD800 && code < 0xE000;
}

// The bytes of a character in UTF-8 that begins so; 0: none does.
unsigned bytesOf(uint8_t first) {
    if (first < 0x80) {
        return 1;
    }
    return first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

// Goes over a text from left to right, and checks it. A place behind the end reads as 0, which is
// nowhere allowed.
class Scanner {
  public:
    Scanner(const char* from, const char* end) : at(from), end(end) {}

    char peek() const { return at < end ? *at : 0; }

    bool take(char c) {
        const bool there = at < end && *at == c;
        at += there;
        return there;
    }

    void blanks() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
            at++;
        }
    }

    // A value of any type. A bit remembers of each open bracket what it is.
    bool value() {
        uint32_t objects = 0;
        unsigned depth = 0;
        while (true) {
            const char open = peek();
            if (open == '{' || open == '[') {
                const bool object = open == '{';
                at++;
                if (depth++ == JsonValue::MAX_DEPTH) {
                    return false;
                }
                objects = objects << 1 | object;
                blanks();
                if (peek() != (object ? '}' : ']')) {
                    if (object && !name()) {
                        return false;
                    }
                    continue;
                }
            } else if (!scalar()) {
                return false;
            }
            while (true) {  // a value has ended, or what was opened is to end
                if (depth == 0) {
                    return true;
                }
                blanks();
                if (take(',')) {
                    blanks();
                    if ((objects & 1) != 0 && !name()) {
                        return false;
                    }
                    break;
                }
                if (!take((objects & 1) != 0 ? '}' : ']')) {
                    return false;
                }
                objects >>= 1;
                depth--;
            }
        }
    }

    // A member's name, up to its value.
    bool name() {
        if (!string()) {
            return false;
        }
        blanks();
        const bool there = take(':');
        blanks();
        return there;
    }

    bool string() {
        if (!take('"')) {
            return false;
        }
        while (!take('"')) {
            uint32_t code;
            if (!character(code)) {
                return false;
            }
        }
        return true;
    }

    // A character of a string, by itself or as an escape.
    bool character(uint32_t& code) {
        if (take('\\')) {
            return escape(code);
        }
        const uint8_t first = static_cast<uint8_t>(peek());
        const unsigned count = bytesOf(first);
        if (first < 0x20 || count == 0 || static_cast<size_t>(end - at) < count) {
            return false;
        }
        code = count == 1 ? first : first & (0x7F >> count);
        for (unsigned i = 1; i < count; i++) {
            const uint8_t next = static_cast<uint8_t>(at[i]);
            if ((next & 0xC0) != 0x80) {
                return false;
            }
            code = code << 6 | (next & 0x3F);
        }
        at += count;
        const bool shortest = count < 3 || code >= (count == 3 ? 0x800u : 0x10000u);
        return shortest && !isSurrogate(code) && code <= 0x10FFFF;
    }

    const char* place() const { return at; }

  private:
    bool scalar() {
        switch (peek()) {
            case '"':
                return string();
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }

    bool word(const char* wanted) {
        while (*wanted != 0 && take(*wanted)) {
            wanted++;
        }
        return *wanted == 0;
    }

    bool digits() {
        const char* const first = at;
        while (isDigit(peek())) {
            at++;
        }
        return at > first;
    }

    bool number() {
        take('-');
        if (!take('0') && !digits()) {
            return false;
        }
        if (take('.') && !digits()) {
            return false;
        }
        if (take('e') || take('E')) {
            if (!take('+')) {
                take('-');
            }
            return digits();
        }
        return true;
    }

    bool escape(uint32_t& code) {
        const char c = peek();
        at += at < end;
        switch (c) {
            case '"':
            case '\\':
            case '/':
                code = static_cast<uint32_t>(c);
                return true;
            case 'b':
                code = '\b';
                return true;
            case 'f':
                code = '\f';
                return true;
            case 'n':
                code = '\n';
                return true;
            case 'r':
                code = '\r';
                return true;
            case 't':
                code = '\t';
                return true;
            case 'u':
                break;
            default:
                return false;
        }
        uint32_t low;
        if (!hex(code) || code == 0) {
            return false;
        }
        if (!isSurrogate(code)) {
            return true;
        }
        if (code >= 0xDC00 || !take('\\') || !take('u') || !hex(low) || low < 0xDC00 ||
            !isSurrogate(low)) {
            return false;
        }
        code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
        return true;
    }

    bool hex(uint32_t& out) {
        out = 0;
        for (int i = 0; i < 4; i++) {
            const char c = peek();
            const char lower = static_cast<char>(c | 0x20);
            if (isDigit(c)) {
                out = out << 4 | static_cast<uint32_t>(c - '0');
            } else if (lower >= 'a' && lower <= 'f') {
                out = out << 4 | static_cast<uint32_t>(lower - 'a' + 10);
            } else {
                return false;
            }
            at++;
        }
        return true;
    }

    const char* at;
    const char* const end;
};

// Writes a character in UTF-8, at most 4 bytes, and returns how many.
size_t encode(uint32_t code, char* out) {
    const unsigned count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = count - 1; i > 0; i--) {
        out[i] = static_cast<char>(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = static_cast<char>(count == 1 ? code : (0xF00u >> count & 0xFF) | code);
    return count;
}

}  // namespace

JsonValue::JsonValue(const char* begin, const char* end) : begin(begin), end(end) {
    switch (*begin) {
        case '{':
            kind = Type::OBJECT;
            break;
        case '[':
            kind = Type::ARRAY;
            break;
        case '"':
            kind = Type::STRING;
            break;
        case 't':
        case 'f':
            kind = Type::BOOLEAN;
            break;
        case 'n':
            kind = Type::NULL_VALUE;
            break;
        default:
            kind = Type::NUMBER;
    }
}

JsonValue JsonValue::parse(const char* text, size_t length) {
    const char* const end = text + length;
    Scanner scanner(text, end);
    scanner.blanks();
    const char* const begin = scanner.place();
    if (!scanner.value()) {
        return {};
    }
    const JsonValue value(begin, scanner.place());
    scanner.blanks();
    return scanner.place() == end ? value : JsonValue();
}

bool JsonValue::next(size_t& at, JsonValue& name, JsonValue& value) const {
    if (kind != Type::OBJECT && kind != Type::ARRAY) {
        return false;
    }
    Scanner scanner(begin + (at == 0 ? 1 : at), end);
    scanner.blanks();
    if (at > 0) {
        scanner.take(',');
        scanner.blanks();
    }
    const char* const first = scanner.place();
    JsonValue found;
    if (kind == Type::OBJECT) {
        if (!scanner.string()) {
            return false;
        }
        found = JsonValue(first, scanner.place());
        scanner.blanks();
        scanner.take(':');
        scanner.blanks();
    }
    const char* const from = scanner.place();
    if (!scanner.value()) {
        return false;
    }
    name = found;
    value = JsonValue(from, scanner.place());
    at = static_cast<size_t>(scanner.place() - begin);
    return true;
}

JsonValue JsonValue::member(const char* wanted) const {
    JsonValue found, name, value;
    for (size_t at = 0; next(at, name, value);) {
        if (name.is(wanted)) {
            found = value;
        }
    }
    return found;
}

bool JsonValue::boolean(bool& out) const {
    if (kind != Type::BOOLEAN) {
        return false;
    }
    out = *begin == 't';
    return true;
}

bool JsonValue::number(int32_t& out, unsigned decimals) const {
    if (kind != Type::NUMBER) {
        return false;
    }
    // The exponent first: which digit is the last one that counts depends on it.
    const char* mantissa = begin;
    while (mantissa < end && (*mantissa | 0x20) != 'e') {
        mantissa++;
    }
    int32_t exponent = static_cast<int32_t>(decimals);
    if (mantissa < end) {
        constexpr int32_t ENOUGH = 1000000;  // longer than any text
        const bool negative = mantissa[1] == '-';
        int32_t value = 0;
        for (const char* c = mantissa + 1; c < end; c++) {
            if (isDigit(*c) && value < ENOUGH) {
                value = 10 * value + (*c - '0');
            }
        }
        exponent += negative ? -value : value;
    }
    int32_t places = exponent;  // digits that follow the point and still count
    for (const char* c = begin; c < mantissa && *c != '.'; c++) {
        places += isDigit(*c);
    }
    constexpr uint64_t LIMIT = 0x80000000;  // of what is sought
    uint64_t value = 0;
    bool up = false;
    for (const char* c = begin; c < mantissa; c++) {
        if (!isDigit(*c)) {
            continue;
        }
        if (places > 0) {
            value = 10 * value + static_cast<uint64_t>(*c - '0');
        } else if (places == 0) {
            up = *c >= '5';
        }
        places--;
        if (value > LIMIT) {
            return false;
        }
    }
    for (; places > 0 && value != 0; places--) {
        value *= 10;
        if (value > LIMIT) {
            return false;
        }
    }
    value += up;
    const bool negative = *begin == '-';
    if (value > LIMIT - !negative) {
        return false;
    }
    out = static_cast<int32_t>(negative ? 0 - static_cast<uint32_t>(value)
                                        : static_cast<uint32_t>(value));
    return true;
}

bool JsonValue::string(char* out, size_t capacity) const {
    if (kind != Type::STRING) {
        return false;
    }
    size_t needed = 1;
    uint32_t code;
    char bytes[4];
    for (Scanner scanner(begin + 1, end); !scanner.take('"') && scanner.character(code);) {
        needed += encode(code, bytes);
    }
    if (needed > capacity) {
        return false;
    }
    for (Scanner scanner(begin + 1, end); !scanner.take('"') && scanner.character(code);) {
        const size_t count = encode(code, bytes);
        memcpy(out, bytes, count);
        out += count;
    }
    *out = 0;
    return true;
}

bool JsonValue::is(const char* text) const {
    if (kind != Type::STRING) {
        return false;
    }
    uint32_t code;
    char bytes[4];
    for (Scanner scanner(begin + 1, end); !scanner.take('"') && scanner.character(code);) {
        const size_t count = encode(code, bytes);
        if (strncmp(text, bytes, count) != 0) {
            return false;
        }
        text += count;
    }
    return *text == 0;
}

}  // namespace esper
