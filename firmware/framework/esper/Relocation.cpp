#include "Relocation.h"

#include "BootConfiguration.h"

namespace esper {

namespace {

constexpr uint32_t DISTANCE = 0x080000;  // from slot 0 to slot 1: one bit
constexpr uint32_t ROOM = 256;           // of the list, in bytes
constexpr uint32_t SLOT = Layout::DESCRIPTOR + offsetof(Descriptor, slot);

}  // namespace

bool Relocation::begin(const volatile uint32_t* words) {
    image = words;
    bytes = original(Layout::DESCRIPTOR + offsetof(Descriptor, size));
    const uint32_t place = original(Layout::DESCRIPTOR + offsetof(Descriptor, relocations));
    if (place == 0 || place % 4 != 0 || bytes > Layout::SLOT_SIZE ||
        bytes < Layout::TRAILER + ROOM || place > bytes - Layout::TRAILER - ROOM) {
        return false;
    }
    const uint32_t first = original(place);
    list = place + 4;
    count = first & 0xFFFF;
    checksum = first >> 16 << 24;
    return count < ROOM / 4 && first >> 24 == 0;
}

uint32_t Relocation::word(uint32_t offset) const {
    uint32_t value = original(offset);
    if ((value & ~DISTANCE) - (Layout::MAPPED + Layout::slot(0)) < Layout::SLOT_SIZE &&
        !keeps(offset)) {
        value ^= DISTANCE;
    }
    if (offset == SLOT) {
        value ^= 1;
    }
    if (offset == bytes - Layout::TRAILER - 4) {
        value ^= checksum;  // the last byte before the trailer
    }
    return value;
}

bool Relocation::keeps(uint32_t offset) const {
    for (uint32_t i = 0; i < count; i++) {
        if (original(list + 4 * i) == offset) {
            return true;
        }
    }
    return false;
}

}  // namespace esper
