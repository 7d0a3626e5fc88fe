// The boot configuration in flash (docs/SPEC.md, section 3).
#pragma once

#include <stdint.h>

constexpr uint32_t SLOTS = 2;
constexpr uint32_t SLOT_ADDRESS[SLOTS] = {0x002000, 0x082000};
constexpr uint32_t SLOT_SIZE = 0x79000;

// Returns the slot to boot, or SLOTS if the configuration is unreadable.
uint32_t readConfiguration();

// Writes a configuration that names the slot.
void writeConfiguration(uint32_t slot);
