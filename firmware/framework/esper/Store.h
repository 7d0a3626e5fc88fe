#pragma once

#include <stdint.h>

#include "Record.h"

namespace esper {

// Two sectors of the flash with the same record (SPEC 12.1), so that a change that is cut off
// leaves the old record or the new one.
class Store {
  public:
    using Record = esper::Record;

    // Begins at the address of the first sector.
    explicit constexpr Store(uint32_t address) : address(address) {}

    // Reads the record that counts, and writes it into the other sector if that holds something
    // else. False: there is none, or no memory for it.
    bool load(Record& out) const;

    // Makes the entries the record, in both sectors. False: the flash reported an error; then it
    // holds the old record or the new one.
    bool save(const Entries& entries) const;

    // One sector alone, as for settings on trial.
    static bool read(uint32_t sector, Record& out);
    static bool write(uint32_t sector, uint32_t generation, const Entries& entries);

  private:
    const uint32_t address;
};

}  // namespace esper
