// Functions of the mask ROM for the pins GPIO 0 to 15 and interrupts, and the registers that it
// leaves out.
#pragma once

#include <stdint.h>

extern "C" {
// Each bit of a mask is a pin.
void gpio_output_set(uint32_t set, uint32_t clear, uint32_t enable, uint32_t disable);
uint32_t gpio_input_get();

// Interrupts by number. The handler runs in interrupt context: it must lie in IRAM.
void ets_isr_attach(int interrupt, void (*handler)(void* argument), void* argument);
void ets_isr_unmask(uint32_t interrupts);  // each bit is one
}

constexpr int ETS_GPIO_INUM = 4;

// IO multiplexer: what a pin is used for, and its pull-up.
constexpr uint32_t PERIPHS_IO_MUX = 0x60000800;
constexpr uint32_t PERIPHS_IO_MUX_PULLUP = 1 << 7;

// Pins 0 to 15: levels, the interrupts that wait (write a bit to end one), and a register of each
// pin.
constexpr uint32_t GPIO_IN = 0x60000318;
constexpr uint32_t GPIO_STATUS = 0x6000031C;
constexpr uint32_t GPIO_STATUS_W1TC = 0x60000324;
constexpr uint32_t GPIO_PIN0 = 0x60000328;
constexpr uint32_t GPIO_PIN_OPEN_DRAIN = 1 << 2;
constexpr uint32_t GPIO_PIN_INT_TYPE_SHIFT = 7;
constexpr uint32_t GPIO_PIN_INT_TYPE =
    7 << GPIO_PIN_INT_TYPE_SHIFT;  // 0 off, 1 rising, 2 falling, 3 both

// Pin 16, which belongs to the real time clock: bit 0 of each.
constexpr uint32_t RTC_GPIO_OUT = 0x60000768;
constexpr uint32_t RTC_GPIO_ENABLE = 0x60000774;
constexpr uint32_t RTC_GPIO_IN = 0x6000078C;
constexpr uint32_t RTC_GPIO_CONF = 0x60000790;
constexpr uint32_t PAD_XPD_DCDC_CONF = 0x600007A0;  // its function in bits 0, 1 and 6; 1: a pin
constexpr uint32_t PAD_XPD_DCDC_PULLDOWN = 1 << 3;

// Microseconds since power-on, for where no function may be called; wraps after 71 minutes.
constexpr uint32_t WDEV_CLOCK = 0x3FF20C00;
