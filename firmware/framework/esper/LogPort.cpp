#include "LogPort.h"

#include <osapi.h>
#include <stdint.h>
#include <user_interface.h>

namespace esper {

// The SDK's default depends on the crystal.
static constexpr uint32_t DIVISOR = 80000000 / 115200;

static volatile uint32_t& reg(uint32_t address) {
    return *reinterpret_cast<volatile uint32_t*>(address);
}

// Sends a character on UART 1, and waits first while its FIFO is full. The ROM's function sends a
// carriage return before each line feed, and so does this.
static void send1(char c) {
    static constexpr uint32_t FIFO = 0x60000F00;
    static constexpr uint32_t STATUS = 0x60000F1C;  // bits 16 to 23: what is in the FIFO
    static constexpr uint32_t ROOM = 126;           // of 128
    if (c == '\r') {
        return;
    }
    while ((reg(STATUS) >> 16 & 0xFF) >= ROOM) {
    }
    if (c == '\n') {
        reg(FIFO) = '\r';
    }
    reg(FIFO) = static_cast<uint8_t>(c);
}

void LogPort::uart0() {
    uart_div_modify(0, DIVISOR);
}

void LogPort::uart1() {
    static constexpr uint32_t GPIO2 =
        0x60000838;  // of the IO multiplexer; bits 4, 5 and 8: function
    reg(GPIO2) = (reg(GPIO2) & ~0x130u) | 2 << 4;
    uart_div_modify(1, DIVISOR);
    ets_install_putc1(send1);
}

void LogPort::none() {
    system_set_os_print(0);
    ets_install_putc1(nullptr);  // parts of the SDK print by the ROM's function
}

}  // namespace esper
