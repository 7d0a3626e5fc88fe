#include "Journal.h"

#include "BootConfiguration.h"
#include "Flash.h"

namespace esper {

static_assert(Journal::CAPACITY == 2 * Layout::SECTOR, "SPEC 12.7");

namespace {

bool isErased(uint32_t address, uint32_t size) {
    uint32_t part[16];
    for (uint32_t at = 0; at < size; at += sizeof(part)) {
        const uint32_t left = size - at;
        const uint32_t length = left < sizeof(part) ? left : sizeof(part);
        if (!Flash::read(address + at, part, length)) {
            return false;
        }
        for (uint32_t i = 0; i < length / 4; i++) {
            if (part[i] != UINT32_MAX) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace

// Goes through the records of a sector up to what is none. False: the flash cannot be read.
bool Journal::scan(uint32_t sector) {
    uint32_t at = 0;
    Record::Header header;
    while (Record::begins(sector + at, Layout::SECTOR - at, header)) {
        const uint32_t behind = at + Record::space(header.size);
        if (last.address == 0 || header.generation > last.generation) {
            last = {sector + at, header.generation, sector + behind, Layout::SECTOR - behind,
                    false};
        }
        at = behind;
    }
    uint32_t word;
    return Flash::read(sector, &word, sizeof(word));
}

// Something may be written behind the last record, by a change that was cut off. Then nothing may
// be added there, even if it would fit before it.
bool Journal::find() {
    if (!known) {
        last = {};
        known = scan(address) && scan(address + Layout::SECTOR);
        last.erased = last.address != 0 && isErased(last.end, last.rest);
    }
    return known;
}

bool Journal::load(Record& out) {
    out.release();
    return find() && (last.address == 0 || out.read(last.address) || out.reserved());
}

uint32_t Journal::cost(uint32_t size) {
    find();
    return Record::space(size) + (append(size) ? 0 : last.rest);
}

bool Journal::save(const Entries& entries) {
    if (!find()) {
        return false;
    }
    const uint32_t space = Record::space(entries.size());
    const uint32_t generation = last.generation + 1;
    const bool inFirst = last.address != 0 && last.address < address + Layout::SECTOR;
    const uint32_t other = inFirst ? address + Layout::SECTOR : address;
    known = false;  // if all fails
    if (append(entries.size()) && Record::write(last.end, generation, entries, false)) {
        last = {last.end, generation, last.end + space, last.rest - space, true};
        known = true;
    } else if (Record::write(other, generation, entries, true)) {
        last = {other, generation, other + space, Layout::SECTOR - space, true};
        known = true;
    }
    return known;
}

}  // namespace esper
