#pragma once

#include <gpio.h>
#include <stdint.h>

namespace esper {

// A resistor of the chip's at an input: 30 to 100 kOhm to 3.3 V, or at GPIO16 to ground.
enum class Pull : uint8_t { NONE, UP, DOWN };

// Compile-time checks of a pin's number, each with one readable line.
template <uint16_t number>
struct PinNumber {
    static_assert(number <= 16, "no such pin: the ESP8266 has GPIO 0 to 16");
    static_assert(number < 6 || (number > 8 && number != 11),
                  "GPIO 6, 7, 8 and 11 belong to the flash chip");
#ifdef ESPER_FLASH_QUAD
    static_assert(number != 9 && number != 10,
                  "GPIO 9 and 10 belong to the flash chip in the flash modes qio and qout");
#endif
    static constexpr uint16_t VALUE = number;
};

// A pin, known at compile time: GPIO 0 to 5 and 12 to 16; 9 and 10, too, in the flash modes dio and
// dout. All functions take a few cycles, and none keeps anything in RAM.
template <uint16_t number>
class Gpio {
    static_assert(PinNumber<number>::VALUE == number, "");

  public:
    // Makes it an output, which begins with that level. It drives both levels, with up to 12 mA.
    static void output(bool high) {
        select();
        openDrainBit(false);
        write(high);
    }

    // Makes it an output that only pulls to ground: high lets go, and read() returns what others
    // make of it. For buses of several devices, such as 1-Wire and I2C.
    template <Pull pull = Pull::NONE>
    static void openDrain(bool high) {
        allow<pull>();
        select();
        pullUp(pull == Pull::UP);
        openDrainBit(true);
        write(high);
    }

    // Of an output.
    static void write(bool high) { gpio_output_set(high ? BIT : 0, high ? 0 : BIT, BIT, 0); }

    // Makes it an input.
    template <Pull pull = Pull::UP>
    static void input() {
        allow<pull>();
        select();
        pullUp(pull == Pull::UP);
        gpio_output_set(0, 0, 0, BIT);
    }

    // The level at the pin, of an output, too.
    static bool read() { return (gpio_input_get() & BIT) != 0; }

  private:
    static constexpr uint32_t BIT = 1u << number;

    // The pins' registers in the IO multiplexer, in an order that only the chip knows.
    static constexpr uint8_t OFFSETS[16] = {0x34, 0x18, 0x38, 0x14, 0x3C, 0x40, 0,    0,
                                            0,    0x28, 0x2C, 0,    0x04, 0x08, 0x0C, 0x10};

    // GPIO is function 0 of the pins that are nothing else by default, and 3 of the others.
    static constexpr uint32_t FUNCTION =
        number == 0 || number == 2 || number == 4 || number == 5 ? 0 : 3;

    template <Pull pull>
    static void allow() {
        static_assert(pull != Pull::DOWN, "only GPIO16 has a pull-down resistor");
    }

    static volatile uint32_t& reg() {
        constexpr uint32_t address = PERIPHS_IO_MUX + OFFSETS[number];
        return *reinterpret_cast<volatile uint32_t*>(address);
    }

    static void pullUp(bool on) {
        reg() = on ? reg() | PERIPHS_IO_MUX_PULLUP : reg() & ~PERIPHS_IO_MUX_PULLUP;
    }

    static void openDrainBit(bool on) {
        volatile uint32_t& pin = *reinterpret_cast<volatile uint32_t*>(GPIO_PIN0 + 4 * number);
        pin = on ? pin | GPIO_PIN_OPEN_DRAIN : pin & ~GPIO_PIN_OPEN_DRAIN;
    }

    // The function's number is in bits 4, 5 and 8.
    static void select() { reg() = (reg() & ~0x130u) | FUNCTION << 4; }
};

// GPIO16, the real time clock's pin, which also ends deep sleep if it is connected to the reset
// pin. It can be an output or an input, with a pull-down resistor at most, and has no interrupt.
template <>
class Gpio<16> {
  public:
    static void output(bool high) {
        select(false);
        write(high);
        reg<RTC_GPIO_ENABLE>() = reg<RTC_GPIO_ENABLE>() | 1;
    }

    static void write(bool high) {
        reg<RTC_GPIO_OUT>() = (reg<RTC_GPIO_OUT>() & ~1u) | (high ? 1u : 0u);
    }

    template <Pull pull = Pull::NONE>
    static void input() {
        static_assert(pull != Pull::UP, "GPIO16 has no pull-up resistor");
        select(pull == Pull::DOWN);
        reg<RTC_GPIO_ENABLE>() = reg<RTC_GPIO_ENABLE>() & ~1u;
    }

    static bool read() { return (reg<RTC_GPIO_IN>() & 1) != 0; }

  private:
    template <uint32_t address>
    static volatile uint32_t& reg() {
        return *reinterpret_cast<volatile uint32_t*>(address);
    }

    static void select(bool pullDown) {
        constexpr uint32_t FUNCTION = 0x43;
        reg<PAD_XPD_DCDC_CONF>() =
            (reg<PAD_XPD_DCDC_CONF>() & ~(FUNCTION | PAD_XPD_DCDC_PULLDOWN)) | 1u |
            (pullDown ? PAD_XPD_DCDC_PULLDOWN : 0u);
        reg<RTC_GPIO_CONF>() = reg<RTC_GPIO_CONF>() & ~1u;
    }
};

}  // namespace esper
