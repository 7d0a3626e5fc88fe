#include "Store.h"

#include "BootConfiguration.h"

namespace esper {

bool Store::read(uint32_t sector, Record& out) {
    return out.read(sector);
}

bool Store::write(uint32_t sector, uint32_t generation, const Entries& entries) {
    return Record::write(sector, generation, entries, true);
}

bool Store::load(Record& out) const {
    const uint32_t sectors[2] = {address, address + Layout::SECTOR};
    Record::Header headers[2];
    bool valid[2];
    for (int i = 0; i < 2; i++) {
        valid[i] = read(sectors[i], out) && Record::begins(sectors[i], Layout::SECTOR, headers[i]);
    }
    if (!valid[0] && !valid[1]) {
        out.release();
        return false;
    }
    const bool same = valid[0] && valid[1] && headers[0].generation == headers[1].generation;
    const int counts = !valid[0] || (valid[1] && headers[1].generation > headers[0].generation);
    if (!read(sectors[counts], out)) {
        return false;
    }
    if (!same) {
        write(sectors[1 - counts], headers[counts].generation, out.entries());
    }
    return true;
}

bool Store::save(const Entries& entries) const {
    const uint32_t sectors[2] = {address, address + Layout::SECTOR};
    Record::Header headers[2];
    uint32_t generation = 0;
    bool valid[2];
    for (int i = 0; i < 2; i++) {
        valid[i] = Record::begins(sectors[i], Layout::SECTOR, headers[i]);
        if (valid[i] && headers[i].generation > generation) {
            generation = headers[i].generation;
        }
    }
    // First into the sector that does not count.
    const int first = valid[0] && !(valid[1] && headers[1].generation > headers[0].generation);
    generation++;
    return write(sectors[first], generation, entries) &&
           write(sectors[1 - first], generation, entries);
}

}  // namespace esper
