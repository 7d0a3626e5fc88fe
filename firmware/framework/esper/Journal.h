#pragma once

#include <stdint.h>

#include "Record.h"

namespace esper {

// Two sectors of the flash with records one behind the other, the newest of which counts
// (SPEC 12.7). A change that is cut off leaves the old record or the new one.
class Journal {
  public:
    // Begins at the address of the first sector.
    explicit constexpr Journal(uint32_t address) : address(address) {}

    // Reads the record that counts; not valid if there is none, or if it breaks a rule for entries.
    // False: there is no memory for it now, or the flash cannot be read.
    bool load(Record& out);

    // The bytes of the journal that entries of this size use up: their record, and what is left of
    // a sector that has no room for it. CAPACITY bytes cost an erasure of each sector.
    uint32_t cost(uint32_t size);

    static constexpr uint32_t CAPACITY = 2 * 4096;

    // Makes the entries the record that counts. False: there is no memory, or the flash reported an
    // error; then the old record or the new one counts.
    bool save(const Entries& entries);

  private:
    // The record that counts, and what is behind it in its sector.
    struct Last {
        uint32_t address;  // 0: there is none
        uint32_t generation;
        uint32_t end;   // the address behind it
        uint32_t rest;  // bytes from there on in its sector
        bool erased;    // all of them are
    };

    bool find();
    bool scan(uint32_t sector);
    bool append(uint32_t size) const { return last.erased && Record::space(size) <= last.rest; }

    const uint32_t address;
    bool known = false;  // what the last record is; not so before the first look, or after an error
    Last last = {};
};

}  // namespace esper
