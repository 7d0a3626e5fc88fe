#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// Named values, one behind the other, as a record holds them (SPEC 12.1).
class Entries {
  public:
    static constexpr uint32_t MAX_SIZE = 2048;  // bytes

    enum class Type : uint8_t {
        TEXTS = 1,   // one or more, each ended by a 0
        NUMBER = 2,  // 4 bytes, signed
        BYTES = 3,
    };

    struct Entry {
        static constexpr uint32_t HEADER = 4;

        Type type;
        const char* name;  // not 0-terminated
        uint32_t nameLength;
        const uint8_t* value;
        uint32_t length;

        uint32_t size() const { return HEADER + nameLength + length; }
        bool isNamed(const char* text) const;
        bool isNamed(const Entry& other) const;
        bool begins(const char* text) const;  // its name does
    };

    constexpr Entries() = default;

    // The bytes must stay, and must not lie in flash.
    Entries(const uint8_t* bytes, uint32_t size) : bytes(bytes), used(size) {}

    // Whether they keep all rules of SPEC 12.1. Nothing else may be asked of them before.
    bool valid() const;

    // Whether each has a value, as in a record: one without removes another, in a change.
    bool complete() const;

    const uint8_t* data() const { return bytes; }
    uint32_t size() const { return used; }

    // Goes through the entries; `at` is 0 at first. False: there are no more.
    bool next(uint32_t& at, Entry& out) const;

    // False: there is none of that name and type.
    bool find(const char* name, Type type, Entry& out) const;

    // A text of the entry, counted from 0. Empty: there is none.
    const char* text(const char* name, unsigned index = 0) const;
    int32_t number(const char* name) const;      // 0: there is none
    const uint8_t* key(const char* name) const;  // 32 bytes; nullptr: there is none

  private:
    const uint8_t* bytes = nullptr;
    uint32_t used = 0;
};

// Writes entries into a buffer. What does not fit is left out, and fits() reports it.
class EntriesWriter {
  public:
    EntriesWriter(uint8_t* buffer, uint32_t capacity) : buffer(buffer), capacity(capacity) {}

    EntriesWriter& add(const Entries::Entry& entry);
    EntriesWriter& text(const char* name, const char* value);
    EntriesWriter& number(const char* name, int32_t value);

    // Adds a record with changes merged into it (SPEC 12.2), except for the name that is left out.
    // The changes' sequences are never merged: they belong to releases.
    EntriesWriter& merge(const Entries& record, const Entries& changes, const char* without = "");

    Entries entries() const { return {buffer, used}; }
    bool fits() const { return whole; }

  private:
    uint8_t* put(Entries::Type type, const char* name, uint32_t nameLength, uint32_t length);

    uint8_t* const buffer;
    const uint32_t capacity;
    uint32_t used = 0;
    bool whole = true;
};

}  // namespace esper
