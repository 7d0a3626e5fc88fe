#pragma once

#include <stdint.h>

#include "Entries.h"

namespace esper {

// A record (SPEC 12.1): entries in a block of the heap, which is freed with it; and how records lie
// in flash, from a multiple of 4 on.
class Record {
  public:
    struct Header {
        uint32_t magic;
        uint32_t format;
        uint32_t generation;
        uint32_t size;  // of the entries, in bytes
    };

    // The bytes that entries of a size take in flash, with what is around them.
    static constexpr uint32_t space(uint32_t entries) {
        return (sizeof(Header) + entries + DIGEST + 3) / 4 * 4;
    }

    Record() = default;
    Record(const Record&) = delete;
    Record& operator=(const Record&) = delete;
    ~Record() { release(); }

    Entries entries() const { return found ? Entries(bytes(), size) : Entries(); }
    bool valid() const { return found; }

    // Makes it a record of these entries, which are copied. False: there is no memory, or they are
    // not valid.
    bool set(const Entries& entries);
    void swap(Record& other);
    void release();

    // Reads the record at an address, with all rules for its entries. False: there is none, or it
    // breaks a rule, or there is no memory for it.
    bool read(uint32_t address);

    // Whether there is memory for entries, be they valid or not.
    bool reserved() const { return block != nullptr; }

    // Whether a record begins at an address and ends within the bytes from there on, apart from its
    // entries' rules.
    static bool begins(uint32_t address, uint32_t room, Header& header);

    // Writes a record and reads it back, into flash that is erased or, if erase is set, into a
    // sector that is erased first. False: there is no memory, and the flash is as it was; or the
    // flash reported an error.
    static bool write(uint32_t address, uint32_t generation, const Entries& entries, bool erase);

  private:
    static constexpr uint32_t DIGEST = 32;

    uint8_t* bytes() const { return reinterpret_cast<uint8_t*>(block); }
    bool reserve(uint32_t entries);

    uint32_t* block = nullptr;
    uint32_t size = 0;
    bool found = false;
};

static_assert(sizeof(Record::Header) == 16, "SPEC 12.1");

}  // namespace esper
