#include "Store.h"

#include <string.h>
#include <user_interface.h>

#include "Flash.h"
#include "Sha256.h"

namespace esper {

namespace {

struct Header {
    static constexpr uint32_t MAGIC = 0x73505345;  // "ESPs"
    static constexpr uint32_t FORMAT = 1;

    uint32_t magic;
    uint32_t format;
    uint32_t generation;
    uint32_t size;  // of the entries, in bytes
};

static_assert(sizeof(Header) == 16, "SPEC 12.1");

constexpr uint32_t words(uint32_t bytes) {
    return (bytes + 3) / 4;
}

// Adds the bytes of a record in flash, of which the header says the size, to the hash.
bool hash(uint32_t sector, uint32_t size, Sha256& sum) {
    uint32_t part[16];
    for (uint32_t at = 0; at < size; at += sizeof(part)) {
        const uint32_t left = size - at;
        const uint32_t length = left < sizeof(part) ? left : sizeof(part);
        if (!Flash::read(sector + at, part, 4 * words(length))) {
            return false;
        }
        sum.update(part, length);
    }
    return true;
}

// Whether the sector holds a record, apart from its entries' rules. Its digest lies behind the
// entries, at any byte.
bool holdsRecord(uint32_t sector, Header& header) {
    if (!Flash::read(sector, reinterpret_cast<uint32_t*>(&header), sizeof(header)) ||
        header.magic != Header::MAGIC || header.format != Header::FORMAT ||
        header.size > Entries::MAX_SIZE) {
        return false;
    }
    const uint32_t end = sizeof(header) + header.size;
    Sha256 sum;
    uint8_t digest[Sha256::SIZE];
    uint32_t found[Sha256::SIZE / 4 + 1];
    if (!hash(sector, end, sum) || !Flash::read(sector + end / 4 * 4, found, sizeof(found))) {
        return false;
    }
    sum.finish(digest);
    return memcmp(reinterpret_cast<uint8_t*>(found) + end % 4, digest, sizeof(digest)) == 0;
}

}  // namespace

bool Store::Record::reserve(uint32_t entries) {
    release();
    block = static_cast<uint32_t*>(pvPortMalloc(4 * words(entries) + 4, "", 0, false));
    size = entries;
    return block != nullptr;
}

void Store::Record::release() {
    if (block != nullptr) {
        vPortFree(block, "", 0);
    }
    block = nullptr;
    size = 0;
    found = false;
}

bool Store::Record::set(const Entries& entries) {
    if (!entries.valid() || !entries.complete() || !reserve(entries.size())) {
        return false;
    }
    memcpy(bytes(), entries.data(), size);
    found = true;
    return true;
}

void Store::Record::swap(Record& other) {
    uint32_t* const otherBlock = other.block;
    const uint32_t otherSize = other.size;
    const bool otherFound = other.found;
    other.block = block;
    other.size = size;
    other.found = found;
    block = otherBlock;
    size = otherSize;
    found = otherFound;
}

bool Store::read(uint32_t sector, Record& out) {
    out.release();
    Header header;
    if (!holdsRecord(sector, header) || !out.reserve(header.size)) {
        return false;
    }
    const Entries entries(out.bytes(), out.size);
    out.found = Flash::read(sector + sizeof(header), out.block, 4 * words(header.size)) &&
                entries.valid() && entries.complete();
    return out.found;
}

bool Store::write(uint32_t sector, uint32_t generation, const Entries& entries) {
    const uint32_t end = sizeof(Header) + entries.size();
    const uint32_t size = 4 * words(end + Sha256::SIZE);
    uint32_t* const record = static_cast<uint32_t*>(pvPortMalloc(size, "", 0, false));
    if (record == nullptr) {
        return false;
    }
    const Header header = {Header::MAGIC, Header::FORMAT, generation, entries.size()};
    uint8_t* const bytes = reinterpret_cast<uint8_t*>(record);
    memset(bytes, 0xFF, size);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), entries.data(), entries.size());
    Sha256 sum;
    sum.update(bytes, end);
    sum.finish(bytes + end);
    const bool done = Flash::erase(sector) && Flash::write(sector, record, size) &&
                      Flash::holds(sector, record, size);
    vPortFree(record, "", 0);
    return done;
}

bool Store::load(Record& out) const {
    const uint32_t sectors[2] = {address, address + Layout::SECTOR};
    Header headers[2];
    bool valid[2];
    for (int i = 0; i < 2; i++) {
        valid[i] = read(sectors[i], out) && holdsRecord(sectors[i], headers[i]);
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
    Header headers[2];
    uint32_t generation = 0;
    bool valid[2];
    for (int i = 0; i < 2; i++) {
        valid[i] = holdsRecord(sectors[i], headers[i]);
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
