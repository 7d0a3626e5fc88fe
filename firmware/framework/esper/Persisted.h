#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "Entries.h"

namespace esper {

namespace persisted {

constexpr bool isNameCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// Without a loop, so that the compiler sees through it for a name that is known to it.
template <size_t at = 0>
[[gnu::always_inline]] constexpr bool isName(const char* name) {
    if constexpr (at < 33) {
        return name[at] == 0 ? at > 0 : isNameCharacter(name[at]) && isName<at + 1>(name);
    } else {
        return false;
    }
}

[[gnu::error(
    "the name of a persisted value must have 1 to 32 of the characters a-z 0-9 _ . -")]] void
wrongName();

}  // namespace persisted

// What values of all types have in common (Persisted.h, below).
class PersistedValue {
  public:
    static constexpr size_t MAX_SIZE = 64;  // bytes

    PersistedValue(const PersistedValue&) = delete;
    PersistedValue& operator=(const PersistedValue&) = delete;

  protected:
    // What the flash holds of a name.
    struct Stored {
        uint16_t version;
        uint8_t length;
        alignas(8) uint8_t bytes[MAX_SIZE];
    };

    PersistedValue(const char* name, uint16_t version, void* value, size_t size)
        : name(name), value(value), size(static_cast<uint8_t>(size)), version(version) {}

    // Makes it one of the values that are kept. False: the flash holds nothing of its name.
    bool begin(Stored& out);

    // Logs that the stored value is of a version that is not known.
    void unknown(const Stored& stored) const;

    // Has the value written within so many ms.
    void changed(uint32_t within);

    const char* const name;
    void* const value;
    PersistedValue* next = nullptr;
    const uint8_t size;
    bool kept = false;     // among those that the journal has
    bool unsaved = false;  // the journal holds something else
    const uint16_t version;

  private:
    friend class PersistedValues;

    static constexpr uint32_t HEADER = 4;  // bytes in an entry before the value: version, and 0
    static constexpr uint32_t MAX_ENTRY = HEADER + MAX_SIZE;

    uint32_t space() const;
    Entries::Entry entry(uint8_t* out) const;
};

// A value of device code that outlives restarts, updates and power cuts:
//
//     static Persisted<uint32_t> presses("presses", 0);
//     presses.set(presses + 1);
//
// Make it a static object, or a member of one: it reads the flash when it is made.
// Name: unique in the firmware and the same in later versions, 1 to 32 of a-z 0-9 _ . - which the
// compiler checks if it knows the name. Value: any type that is trivially copyable, of at most 64
// bytes. All names and values of a device together have 2,048 bytes, of which each takes 8 and
// those of its name and its value.
//
// A change is in the flash 100 ms later, several within that time as one record. The power may be
// cut at any time: the value is then the old or the new one. To spare the flash, 8,192 bytes of
// records may be written at once and 2 more each second; a record has 48 bytes and those of all
// values (SPEC 12.7). So a value that changes all the time is to be set with a longer time, or
// rarely.
//
// Version: another number when the bytes of the type, or what they mean, change. Migrate: makes a
// value of what another version stored (it may be a later one: after a rollback), and returns false
// if it does not know that version. Without it, or if it returns false, the value is the standard
// one, and the flash keeps the other until the value is set.
template <typename T>
class Persisted : private PersistedValue {
    static_assert(__is_trivially_copyable(T),
                  "a persisted value must be of a type that can be copied byte by byte");
    static_assert(sizeof(T) <= MAX_SIZE, "a persisted value has at most 64 bytes");

  public:
    using Migrate = bool (*)(uint16_t version, const uint8_t* bytes, size_t length, T& out);

    [[gnu::always_inline]] explicit Persisted(const char* name, const T& standard = T(),
                                              uint16_t version = 1, Migrate migrate = nullptr)
        : PersistedValue(name, version, &current, sizeof(T)), current(standard) {
        const bool named = persisted::isName(name);
        if (__builtin_constant_p(named) && !named) {
            persisted::wrongName();
        }
        load(migrate);
    }

    const T& get() const { return current; }
    operator const T&() const { return current; }

    // Within: by when the change must be in the flash, in ms, from 100 up to a day (86,400,000). A
    // restart or deep sleep before that writes it, a power cut loses it.
    void set(const T& wanted, uint32_t within = 100) {
        if (memcmp(&current, &wanted, sizeof(T)) != 0) {
            current = wanted;
            changed(within);
        }
    }

  private:
    void load(Migrate migrate) {
        Stored stored;
        if (!begin(stored)) {
            return;
        }
        T found = current;
        if (stored.version == version && stored.length == sizeof(T)) {
            memcpy(&current, stored.bytes, sizeof(T));
        } else if (migrate != nullptr &&
                   migrate(stored.version, stored.bytes, stored.length, found)) {
            current = found;
        } else {
            unknown(stored);
        }
    }

    T current;
};

}  // namespace esper
