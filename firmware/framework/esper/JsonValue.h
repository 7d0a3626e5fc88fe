#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// A value in a JSON text (RFC 8259), read where it lies: nothing is copied or allocated, and no
// function recurses. The text must stay as long as the value is used.
//
//     const JsonValue command = JsonValue::parse(payload, length);
//     int32_t brightness;
//     if (command.member("brightness").number(brightness)) ...
class JsonValue {
  public:
    enum class Type : uint8_t { NONE, NULL_VALUE, BOOLEAN, NUMBER, STRING, OBJECT, ARRAY };

    static constexpr unsigned MAX_DEPTH = 8;  // of objects and arrays in each other

    // NONE: there is no such value, and no function below finds anything in it.
    constexpr JsonValue() = default;

    // Checks a whole text, once, in time proportional to its length. NONE if it is not JSON in
    // UTF-8, is nested deeper than MAX_DEPTH or has the character 0 in a string.
    static JsonValue parse(const char* text, size_t length);

    Type type() const { return kind; }
    bool exists() const { return kind != Type::NONE; }

    // Goes through the members of an object or the elements of an array, which have no name; `at`
    // is 0 at first. False: there are no more, or this is neither.
    bool next(size_t& at, JsonValue& name, JsonValue& value) const;

    // The member of that name; the last one if there are several. NONE: there is none.
    JsonValue member(const char* name) const;

    // False, here and below: the value is of another type, and nothing is written.
    bool boolean(bool& out) const;

    // The number times 10 to the power of decimals, 0 to 9, rounded half away from zero: 21.46 is
    // 215 with one decimal. False, too: that is beyond 32 bits.
    bool number(int32_t& out, unsigned decimals = 0) const;

    // The characters of a string in UTF-8, and a 0. A string needs no more bytes than its JSON, so
    // the length of the payload is always enough. False, too: the capacity, in bytes, is not.
    bool string(char* out, size_t capacity) const;

    // Whether it is that string.
    bool is(const char* text) const;

  private:
    JsonValue(const char* begin, const char* end);

    const char* begin = nullptr;  // with quotes and brackets
    const char* end = nullptr;
    Type kind = Type::NONE;
};

}  // namespace esper
