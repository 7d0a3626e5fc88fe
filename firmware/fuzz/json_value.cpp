// The input is a text. What JsonValue finds in it must be what a plain recursive reader finds,
// which shares nothing with it.
#include <esper/JsonValue.h>

#include <cmath>
#include <string>
#include <vector>

#include "fuzz.h"

using esper::JsonValue;

namespace {

// Writes a text in one form: no blanks, no escapes but in the lengths of strings before them.
class Reference {
  public:
    explicit Reference(const std::string& text) : text(text) {}

    // False: it is no JSON that JsonValue may accept.
    bool document() {
        blanks();
        if (!value(0)) {
            return false;
        }
        blanks();
        return at == text.size();
    }

    std::string form;

  private:
    int peek() const { return at < text.size() ? static_cast<uint8_t>(text[at]) : -1; }

    bool take(char c) {
        if (peek() != c) {
            return false;
        }
        at++;
        return true;
    }

    void blanks() {
        while (peek() >= 0 && strchr(" \t\r\n", peek()) != nullptr && peek() != 0) {
            at++;
        }
    }

    bool value(unsigned depth) {
        for (const char* word : {"true", "false", "null"}) {
            if (text.compare(at, strlen(word), word) == 0) {
                at += strlen(word);
                form += word;
                return true;
            }
        }
        if (peek() == '"') {
            return string();
        }
        if (peek() == '{' || peek() == '[') {
            return depth < JsonValue::MAX_DEPTH && members(depth);
        }
        return number();
    }

    bool members(unsigned depth) {
        const bool object = take('{');
        const char close = object ? '}' : ']';
        if (!object) {
            at++;
        }
        form += object ? '{' : '[';
        blanks();
        if (!take(close)) {
            do {
                blanks();
                if (object) {
                    if (!string()) {
                        return false;
                    }
                    blanks();
                    if (!take(':')) {
                        return false;
                    }
                    blanks();
                }
                if (!value(depth + 1)) {
                    return false;
                }
                form += ',';
                blanks();
            } while (take(','));
            if (!take(close)) {
                return false;
            }
        }
        form += close;
        return true;
    }

    bool digits() {
        const size_t first = at;
        while (peek() >= '0' && peek() <= '9') {
            at++;
        }
        return at > first;
    }

    bool number() {
        const size_t first = at;
        take('-');
        const bool zero = peek() == '0';
        const size_t from = at;
        if (!digits() || (zero && at > from + 1) || (take('.') && !digits())) {
            return false;
        }
        if (take('e') || take('E')) {
            if (!take('-')) {
                take('+');
            }
            if (!digits()) {
                return false;
            }
        }
        form += '#' + numberForm(strtod(text.substr(first, at - first).c_str(), nullptr));
        return true;
    }

    bool string() {
        std::string out;
        if (!take('"')) {
            return false;
        }
        while (!take('"')) {
            if (peek() < 0x20) {
                return false;
            }
            if (!take('\\')) {
                out += text[at++];
                continue;
            }
            static const char escapes[] = "\"\\/bfnrt";
            static const char meant[] = "\"\\/\b\f\n\r\t";
            const int c = peek();
            at++;
            if (c == 'u') {
                uint32_t code;
                if (!hex(code) || code == 0) {
                    return false;
                }
                if (code >= 0xD800 && code <= 0xDBFF) {
                    uint32_t low;
                    if (!take('\\') || !take('u') || !hex(low) || low < 0xDC00 || low > 0xDFFF) {
                        return false;
                    }
                    code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
                } else if (code >= 0xDC00 && code <= 0xDFFF) {
                    return false;
                }
                append(out, code);
                continue;
            }
            const char* const found = c > 0 ? strchr(escapes, c) : nullptr;
            if (found == nullptr) {
                return false;
            }
            out += meant[found - escapes];
        }
        form += '"' + std::to_string(out.size()) + ':' + out;
        return isUtf8(out);
    }

    bool hex(uint32_t& code) {
        const std::string digits = text.substr(at < text.size() ? at : text.size(), 4);
        if (digits.size() < 4 ||
            digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
            return false;
        }
        code = static_cast<uint32_t>(strtoul(digits.c_str(), nullptr, 16));
        at += 4;
        return true;
    }

    static void append(std::string& out, uint32_t code) {
        if (code < 0x80) {
            out += static_cast<char>(code);
        } else if (code < 0x800) {
            out += static_cast<char>(0xC0 + code / 64);
            out += static_cast<char>(0x80 + code % 64);
        } else if (code < 0x10000) {
            out += static_cast<char>(0xE0 + code / 4096);
            out += static_cast<char>(0x80 + code / 64 % 64);
            out += static_cast<char>(0x80 + code % 64);
        } else {
            out += static_cast<char>(0xF0 + code / 262144);
            out += static_cast<char>(0x80 + code / 4096 % 64);
            out += static_cast<char>(0x80 + code / 64 % 64);
            out += static_cast<char>(0x80 + code % 64);
        }
    }

    // By writing each character again.
    static bool isUtf8(const std::string& bytes) {
        for (size_t i = 0; i < bytes.size();) {
            const uint8_t first = static_cast<uint8_t>(bytes[i]);
            const size_t count = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
            uint32_t code = count == 1 ? first : first & (0xFFu >> (count + 1));
            for (size_t k = 1; k < count; k++) {
                code = code * 64 + (i + k < bytes.size() ? bytes[i + k] & 0x3F : 0);
            }
            std::string again;
            append(again, code);
            if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ||
                bytes.compare(i, count, again) != 0) {
                return false;
            }
            i += count;
        }
        return true;
    }

    const std::string text;
    size_t at = 0;

  public:
    // With no decimals; "?" where binary fractions decide, or the limit of the range.
    static std::string numberForm(double value) {
        const double size = std::fabs(value);
        const double fraction = size - std::floor(size);
        if (std::fabs(fraction - 0.5) < 1e-3 || std::fabs(size - 2147483648.0) < 2) {
            return "?";
        }
        if (size > 2147483648.0) {
            return "none";
        }
        const long rounded = static_cast<long>(std::floor(size + 0.5));
        return std::to_string(value < 0 ? -rounded : rounded);
    }
};

// Writes a value in the same form; numbers that decide nothing are taken from the reference.
void write(const JsonValue& value, const std::string& reference, std::string& form) {
    switch (value.type()) {
        case JsonValue::Type::NONE:
            abort();
        case JsonValue::Type::NULL_VALUE:
            form += "null";
            return;
        case JsonValue::Type::BOOLEAN: {
            bool on;
            PROMISE(value.boolean(on));
            form += on ? "true" : "false";
            return;
        }
        case JsonValue::Type::NUMBER: {
            int32_t number;
            const bool found = value.number(number);
            int32_t scaled;
            if (value.number(scaled, 9) && std::abs(scaled % 1000000000) != 500000000) {
                PROMISE(found && number == std::lround(scaled / 1e9));
            }
            const bool open =
                form.size() + 1 < reference.size() && reference[form.size() + 1] == '?';
            form += '#' + (open ? "?" : found ? std::to_string(number) : "none");
            return;
        }
        case JsonValue::Type::STRING: {
            std::vector<char> buffer(1);
            while (!value.string(buffer.data(), buffer.size())) {
                buffer.resize(buffer.size() + 1);
                PROMISE(buffer.size() < 10000);
            }
            PROMISE(strlen(buffer.data()) + 1 == buffer.size());
            PROMISE(value.is(buffer.data()));
            form += '"' + std::to_string(buffer.size() - 1) + ':' + buffer.data();
            return;
        }
        case JsonValue::Type::OBJECT:
        case JsonValue::Type::ARRAY:
            break;
    }
    const bool object = value.type() == JsonValue::Type::OBJECT;
    form += object ? '{' : '[';
    JsonValue name, member;
    for (size_t at = 0; value.next(at, name, member);) {
        PROMISE(name.exists() == object);
        if (object) {
            write(name, reference, form);
        }
        write(member, reference, form);
        form += ',';
    }
    form += object ? '}' : ']';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::vector<char> text(data, data + size);  // of the very size
    Reference reference(std::string(text.begin(), text.end()));
    const bool valid = reference.document();
    const JsonValue value = JsonValue::parse(text.data(), text.size());
    PROMISE(value.exists() == valid);
    if (valid) {
        std::string form;
        write(value, reference.form, form);
        PROMISE(form == reference.form);
    }
    return 0;
}
