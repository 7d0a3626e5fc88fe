#include "Record.h"

#include <string.h>
#include <user_interface.h>

#include "Flash.h"
#include "Sha256.h"

namespace esper {

namespace {

constexpr uint32_t MAGIC = 0x73505345;  // "ESPs"
constexpr uint32_t FORMAT = 1;

constexpr uint32_t words(uint32_t bytes) {
    return (bytes + 3) / 4;
}

// Adds the bytes of a record in flash, of which the header says the size, to the hash.
bool hash(uint32_t address, uint32_t size, Sha256& sum) {
    uint32_t part[16];
    for (uint32_t at = 0; at < size; at += sizeof(part)) {
        const uint32_t left = size - at;
        const uint32_t length = left < sizeof(part) ? left : sizeof(part);
        if (!Flash::read(address + at, part, 4 * words(length))) {
            return false;
        }
        sum.update(part, length);
    }
    return true;
}

}  // namespace

// Its digest lies behind the entries, at any byte.
bool Record::begins(uint32_t address, uint32_t room, Header& header) {
    static_assert(DIGEST == Sha256::SIZE, "SPEC 12.1");
    if (room < space(0) ||
        !Flash::read(address, reinterpret_cast<uint32_t*>(&header), sizeof(header)) ||
        header.magic != MAGIC || header.format != FORMAT || header.size > Entries::MAX_SIZE ||
        space(header.size) > room) {
        return false;
    }
    const uint32_t end = sizeof(header) + header.size;
    Sha256 sum;
    uint8_t digest[DIGEST];
    uint32_t found[DIGEST / 4 + 1];
    if (!hash(address, end, sum) ||
        !Flash::read(address + end / 4 * 4, found, 4 * words(end % 4 + DIGEST))) {
        return false;
    }
    sum.finish(digest);
    return memcmp(reinterpret_cast<uint8_t*>(found) + end % 4, digest, sizeof(digest)) == 0;
}

bool Record::reserve(uint32_t entries) {
    release();
    block = static_cast<uint32_t*>(pvPortMalloc(4 * words(entries) + 4, "", 0, false));
    size = entries;
    return block != nullptr;
}

void Record::release() {
    if (block != nullptr) {
        vPortFree(block, "", 0);
    }
    block = nullptr;
    size = 0;
    found = false;
}

bool Record::set(const Entries& entries) {
    if (!entries.valid() || !entries.complete() || !reserve(entries.size())) {
        return false;
    }
    memcpy(bytes(), entries.data(), size);
    found = true;
    return true;
}

void Record::swap(Record& other) {
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

bool Record::read(uint32_t address) {
    release();
    Header header;
    if (!begins(address, space(Entries::MAX_SIZE), header) || !reserve(header.size)) {
        return false;
    }
    if (!Flash::read(address + sizeof(header), block, 4 * words(header.size))) {
        release();
        return false;
    }
    const Entries entries(bytes(), size);
    found = entries.valid() && entries.complete();
    return found;
}

bool Record::write(uint32_t address, uint32_t generation, const Entries& entries, bool erase) {
    const uint32_t end = sizeof(Header) + entries.size();
    const uint32_t size = space(entries.size());
    uint32_t* const record = static_cast<uint32_t*>(pvPortMalloc(size, "", 0, false));
    if (record == nullptr) {
        return false;
    }
    const Header header = {MAGIC, FORMAT, generation, entries.size()};
    uint8_t* const bytes = reinterpret_cast<uint8_t*>(record);
    memset(bytes, 0xFF, size);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), entries.data(), entries.size());
    Sha256 sum;
    sum.update(bytes, end);
    sum.finish(bytes + end);
    const bool done = (!erase || Flash::erase(address)) && Flash::write(address, record, size) &&
                      Flash::holds(address, record, size);
    vPortFree(record, "", 0);
    return done;
}

}  // namespace esper
