// What the bootloader calls of the mask ROM, on a computer: a flash in memory, and the RAM
// that firmware may be loaded into, at the addresses it has on the chip. A bootloader that
// reads elsewhere or writes elsewhere ends the run.
#pragma once

#include <cstddef>
#include <cstdint>

constexpr uint32_t FLASH_SIZE = 0x100000;
extern uint8_t flash[FLASH_SIZE];

// Erases the flash and clears RTC memory. Must come first.
void resetChip();

// Puts an image at the start of a slot. Sealed: its trailer, at the size that its descriptor
// tells, is made right, so that what lies behind that check is reached too.
void putImage(uint32_t slot, const uint8_t* image, size_t size, bool sealed);
