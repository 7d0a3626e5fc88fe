#pragma once

#include <gpio.h>
#include <stdint.h>

namespace esper {

// A pin, known at compile time: GPIO 0 to 5, 9, 10 and 12 to 15. The flash is at 6 to 8 and 11, in
// the flash modes qio and qout at 9 and 10, too; 16 is another kind of pin.
template <uint16_t number>
class Gpio {
    static_assert(number <= 5 || number == 9 || number == 10 || (number >= 12 && number <= 15),
                  "not a GPIO that can be used");

  public:
    static void output(bool high) {
        select();
        write(high);
    }

    static void write(bool high) { gpio_output_set(high ? BIT : 0, high ? 0 : BIT, BIT, 0); }

    // With the internal pull-up resistor.
    static void input() {
        select();
        reg() = reg() | PERIPHS_IO_MUX_PULLUP;
        gpio_output_set(0, 0, 0, BIT);
    }

    static bool read() { return (gpio_input_get() & BIT) != 0; }

  private:
    static constexpr uint32_t BIT = 1u << number;

    // The pins' registers in the IO multiplexer, in an order that only the chip knows.
    static constexpr uint8_t OFFSETS[16] = {0x34, 0x18, 0x38, 0x14, 0x3C, 0x40, 0,    0,
                                            0,    0x28, 0x2C, 0,    0x04, 0x08, 0x0C, 0x10};

    // GPIO is function 0 of the pins that are nothing else by default, and 3 of the others.
    static constexpr uint32_t FUNCTION =
        number == 0 || number == 2 || number == 4 || number == 5 ? 0 : 3;

    static volatile uint32_t& reg() {
        constexpr uint32_t address = PERIPHS_IO_MUX + OFFSETS[number];
        return *reinterpret_cast<volatile uint32_t*>(address);
    }

    // The function's number is in bits 4, 5 and 8.
    static void select() { reg() = (reg() & ~0x130u) | FUNCTION << 4; }
};

}  // namespace esper
