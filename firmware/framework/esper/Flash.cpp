#include "Flash.h"

#include <spi_flash.h>
#include <string.h>

#include "BootVersion.h"
#include "Configuration.h"

namespace esper {

bool Flash::read(uint32_t address, uint32_t* words, uint32_t size) {
    return spi_flash_read(address, words, size) == SPI_FLASH_RESULT_OK;
}

bool Flash::write(uint32_t address, const uint32_t* words, uint32_t size) {
    return spi_flash_write(address, const_cast<uint32_t*>(words), size) == SPI_FLASH_RESULT_OK;
}

bool Flash::holds(uint32_t address, const uint32_t* words, uint32_t size) {
    uint32_t found[32];
    while (size > 0) {
        const uint32_t length = size < sizeof(found) ? size : sizeof(found);
        if (!read(address, found, length) || memcmp(found, words, length) != 0) {
            return false;
        }
        address += length;
        words += length / 4;
        size -= length;
    }
    return true;
}

bool Flash::erase(uint32_t address) {
    return spi_flash_erase_sector(static_cast<uint16_t>(address / Layout::SECTOR)) ==
           SPI_FLASH_RESULT_OK;
}

bool Flash::descriptor(uint32_t slot, Descriptor& out) {
    return read(Layout::slot(slot) + Layout::DESCRIPTOR, reinterpret_cast<uint32_t*>(&out),
                sizeof(out)) &&
           isDescriptor(out, slot);
}

bool Flash::bootConfiguration(BootConfiguration& out) {
    return read(Layout::BOOT_CONFIGURATION, reinterpret_cast<uint32_t*>(&out), sizeof(out)) &&
           out.readable();
}

bool Flash::runsAsDefault() {
    BootConfiguration boot;
    return bootConfiguration(boot) && boot.current == ownSlot();
}

uint32_t Flash::bootVersion() {
    BootVersion found;
    const bool ours =
        read(BootVersion::ADDRESS, reinterpret_cast<uint32_t*>(&found), sizeof(found)) &&
        found.magic == BootVersion::MAGIC;
    return ours ? found.number : 0;
}

bool Flash::setBootSlot(uint8_t slot) {
    BootConfiguration wanted = BootConfiguration::of(slot);
    BootConfiguration found;
    return erase(Layout::BOOT_CONFIGURATION) &&
           write(Layout::BOOT_CONFIGURATION, reinterpret_cast<uint32_t*>(&wanted),
                 sizeof(wanted)) &&
           bootConfiguration(found) && found.current == slot;
}

}  // namespace esper
