#include "chip.h"

#include <osapi.h>
#include <spi_flash.h>
#include <sys/mman.h>

#include "bootloader/configuration.h"
#include "bootloader/rom.h"
#include "esper/Configuration.h"
#include "esper/Sha256.h"
#include "fuzz.h"

using namespace esper;

uint8_t flash[FLASH_SIZE];

const Descriptor esper::descriptor = {};

// Of each slot, what may be other than erased: erasing it all takes longer than most checks.
static size_t used[SLOTS] = {SLOT_SIZE, SLOT_SIZE};

namespace {

void map(uint32_t address, size_t size) {
    void* const wanted = const_cast<uint32_t*>(memory(address));
    void* const there = mmap(wanted, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    PROMISE(there == wanted);
}

bool mapRam() {
    map(0x3FFE8000, 0x12000);
    map(0x40100000, 0x8000);
    map(0x60000000, 0x2000);  // watchdog and RTC memory
    return true;
}

}  // namespace

extern "C" {

int ets_printf(const char*, ...) {
    return 0;
}

int SPIRead(uint32_t address, void* data, uint32_t size) {
    PROMISE(address % 4 == 0 && size % 4 == 0);
    PROMISE(address <= FLASH_SIZE && size <= FLASH_SIZE - address);
    memcpy(data, flash + address, size);
    return 0;
}

int SPIWrite(uint32_t address, const void* data, uint32_t size) {
    PROMISE(address % 4 == 0 && size % 4 == 0);
    PROMISE(address <= FLASH_SIZE && size <= FLASH_SIZE - address);
    for (uint32_t i = 0; i < size; i++) {
        flash[address + i] &= static_cast<const uint8_t*>(data)[i];
    }
    return 0;
}

int SPIEraseSector(uint32_t sector) {
    PROMISE(sector < FLASH_SIZE / 4096);
    memset(flash + sector * 4096, 0xFF, 4096);
    return 0;
}

// What firmware calls of the vendor's software.

SpiFlashOpResult spi_flash_read(uint32_t address, uint32_t* data, uint32_t size) {
    SPIRead(address, data, size);
    return SPI_FLASH_RESULT_OK;
}

SpiFlashOpResult spi_flash_write(uint32_t address, uint32_t* data, uint32_t size) {
    SPIWrite(address, data, size);
    return SPI_FLASH_RESULT_OK;
}

SpiFlashOpResult spi_flash_erase_sector(uint16_t sector) {
    SPIEraseSector(sector);
    return SPI_FLASH_RESULT_OK;
}

void* pvPortMalloc(size_t size, const char*, unsigned, bool) {
    return malloc(size);
}

void vPortFree(void* memory, const char*, unsigned) {
    free(memory);
}
}

void resetChip() {
    static const bool mapped = mapRam();
    (void)mapped;
    memset(flash, 0xFF, SLOT_ADDRESS[0]);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        memset(flash + SLOT_ADDRESS[slot], 0xFF, used[slot]);
        used[slot] = 0;
    }
    memset(reinterpret_cast<void*>(0x60001000), 0, 0x1000);
}

void putImage(uint32_t slot, const uint8_t* image, size_t size, bool sealed) {
    uint8_t* const at = flash + SLOT_ADDRESS[slot];
    if (size > SLOT_SIZE) {
        size = SLOT_SIZE;
    }
    if (size > 0) {
        memcpy(at, image, size);
    }
    uint32_t length;
    memcpy(&length, at + 16 + offsetof(Descriptor, size), 4);
    if (sealed && length >= Sha256::SIZE && length <= SLOT_SIZE) {
        Sha256 sha;
        sha.update(at, length - Sha256::SIZE);
        sha.finish(at + length - Sha256::SIZE);
        used[slot] = length > size ? length : size;
    } else {
        used[slot] = size;
    }
}
