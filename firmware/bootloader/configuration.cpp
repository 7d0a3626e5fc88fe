#include "configuration.h"

#include "rom.h"

namespace {

constexpr uint32_t SECTOR = 0x1000;
constexpr uint32_t ADDRESS = 0x001000;

struct BootConfiguration {
    uint8_t magic;
    uint8_t version;
    uint8_t mode;
    uint8_t current;
    uint8_t gpio;
    uint8_t count;
    uint8_t unused[2];
    uint32_t slots[4];
};

constexpr uint8_t MAGIC = 0xE1;
constexpr uint8_t VERSION = 1;

}  // namespace

uint32_t readConfiguration() {
    BootConfiguration c;
    if (SPIRead(ADDRESS, &c, sizeof c) != 0) return SLOTS;
    const bool readable = c.magic == MAGIC && c.version == VERSION && c.count == SLOTS &&
                          c.slots[0] == SLOT_ADDRESS[0] && c.slots[1] == SLOT_ADDRESS[1];
    return readable && c.current < SLOTS ? c.current : SLOTS;
}

void writeConfiguration(uint32_t slot) {
    BootConfiguration c = {};
    c.magic = MAGIC;
    c.version = VERSION;
    c.current = slot;
    c.count = SLOTS;
    c.slots[0] = SLOT_ADDRESS[0];
    c.slots[1] = SLOT_ADDRESS[1];
    // A power cut in here leaves it unreadable, and the next boot writes it again.
    if (SPIEraseSector(ADDRESS / SECTOR) != 0 || SPIWrite(ADDRESS, &c, sizeof c) != 0) {
        ets_printf("boot: cannot write the configuration\n");
    }
}
