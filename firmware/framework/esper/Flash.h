#pragma once

#include <stdint.h>

#include "BootConfiguration.h"

// The flash chip. Addresses are from its start; they and the sizes are multiples of 4.
namespace esper::Flash {

bool read(uint32_t address, uint32_t* words, uint32_t size);
bool write(uint32_t address, const uint32_t* words, uint32_t size);
bool holds(uint32_t address, const uint32_t* words,
           uint32_t size);     // false, too: it cannot be read
bool erase(uint32_t address);  // the sector; about 50 ms in which nothing else runs

// False: there is no descriptor in that slot.
bool descriptor(uint32_t slot, Descriptor& out);

// False: the boot configuration is unreadable.
bool bootConfiguration(BootConfiguration& out);

// Whether the boot configuration names the running slot.
bool runsAsDefault();

// The bootloader's version number; 0: unknown, as of another bootloader.
uint32_t bootVersion();

// Makes a slot the one to boot from now on.
bool setBootSlot(uint8_t slot);

}  // namespace esper::Flash
