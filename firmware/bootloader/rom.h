// What the bootloader uses of the mask ROM, bound to its addresses by link/rom.ld, and of
// the chip's registers.
#pragma once

#include <stdint.h>

extern "C" {
int ets_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
void ets_delay_us(uint32_t microseconds);
void uart_div_modify(uint32_t uart, uint32_t divisor);

// Addresses and sizes in bytes, multiples of 4; 0 is success.
int SPIRead(uint32_t address, void* data, uint32_t size);
int SPIWrite(uint32_t address, const void* data, uint32_t size);
int SPIEraseSector(uint32_t sector);
}

inline volatile uint32_t* memory(uint32_t address) {
    return reinterpret_cast<volatile uint32_t*>(address);
}

// The hardware watchdog may be running since an earlier reset.
inline void feedWatchdog() {
    *memory(0x60000914) = 0x73;
}
