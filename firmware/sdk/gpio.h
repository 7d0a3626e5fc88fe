// Functions of the mask ROM for the pins GPIO 0 to 15, and the registers that it leaves out.
#pragma once

#include <stdint.h>

extern "C" {
// Each bit of a mask is a pin.
void gpio_output_set(uint32_t set, uint32_t clear, uint32_t enable, uint32_t disable);
uint32_t gpio_input_get();
}

// IO multiplexer: what a pin is used for, and its pull-up.
constexpr uint32_t PERIPHS_IO_MUX = 0x60000800;
constexpr uint32_t PERIPHS_IO_MUX_PULLUP = 1 << 7;
