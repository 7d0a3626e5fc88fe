#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Configuration.h"

// Where things lie in flash (SPEC 1).
namespace esper::Layout {
constexpr uint32_t BOOT_CONFIGURATION = 0x001000;
constexpr uint32_t SETTINGS = 0x07B000;   // a store (SPEC 12.1)
constexpr uint32_t CANDIDATE = 0x07D000;  // settings on trial (SPEC 12.3)
constexpr uint32_t VALUES = 0x07E000;     // a store, of settings of the device type
constexpr uint32_t JOURNAL = 0x080000;    // values that device code keeps (SPEC 12.7)
constexpr uint32_t SLOT_SIZE = 0x79000;
constexpr uint32_t DESCRIPTOR = 0x10;  // from the start of a slot
constexpr uint32_t TRAILER = 32;       // bytes, at the end of an image
constexpr uint32_t SECTOR = 4096;
constexpr uint32_t MAPPED =
    0x40200000;  // where the first megabyte of the flash can be read by words

constexpr uint32_t slot(uint32_t number) {
    return number == 0 ? 0x002000 : 0x082000;
}
}  // namespace esper::Layout

namespace esper {

// rBoot's structure at 0x001000 (SPEC 3).
struct BootConfiguration {
    uint8_t magic;
    uint8_t version;
    uint8_t mode;
    uint8_t current;  // the slot to boot
    uint8_t gpio;
    uint8_t count;
    uint8_t unused[2];
    uint32_t slots[4];

    static BootConfiguration of(uint8_t slot);
    bool readable() const;
};

static_assert(sizeof(BootConfiguration) == 24, "SPEC 3");

// Whether the descriptor is one, and that of an image in this slot (SPEC 2.3). Says nothing
// about the image's other bytes.
bool isDescriptor(const Descriptor& descriptor, uint32_t slot);

}  // namespace esper
