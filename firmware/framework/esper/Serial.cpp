#include "Serial.h"

#include <string.h>
#include <user_interface.h>

#include "Log.h"

namespace esper {

namespace {

constexpr uint32_t POLL = 5;  // ms

constexpr uint32_t CLOCK = 80000000;  // Hz, of the UART, whatever the CPU's is

// UART 0 (ESP8266 Technical Reference, chapter 11).
constexpr uintptr_t FIFO = 0x60000000;
constexpr uintptr_t STATUS = 0x6000001C;  // bytes received in bits 0-7, to be sent in bits 16-23
constexpr uint32_t FIFO_SIZE = 128;

volatile uint32_t& reg(uintptr_t address) {
    return *reinterpret_cast<volatile uint32_t*>(address);
}

}  // namespace

Serial::Serial(uint32_t baud, Handler handler, void* object)
    : handler(handler), object(object), timer(bind<Serial, &Serial::poll>, this) {
    uart_div_modify(0, CLOCK / baud);
    timer.repeat(POLL);
}

bool Serial::send(const char* text, size_t size) {
    if (size > QUEUE - waiting) {
        return false;
    }
    memcpy(queue + waiting, text, size);
    waiting += size;
    fill();
    return true;
}

bool Serial::send(const char* text) {
    return send(text, strlen(text));
}

// Moves what there is room for into the FIFO.
void Serial::fill() {
    const uint32_t used = reg(STATUS) >> 16 & 0xFF;
    const size_t room = used < FIFO_SIZE ? FIFO_SIZE - used : 0;
    const size_t count = waiting < room ? waiting : room;
    for (size_t i = 0; i < count; i++) {
        reg(FIFO) = static_cast<uint8_t>(queue[i]);
    }
    waiting -= count;
    memmove(queue, queue + count, waiting);
}

void Serial::poll() {
    // No more than the FIFO holds: a peer that never stops must not keep everything else waiting.
    for (uint32_t count = reg(STATUS) & 0xFF; count > 0; count--) {
        take(static_cast<char>(reg(FIFO)));
    }
    fill();
}

void Serial::take(char c) {
    if (c != '\r' && c != '\n') {
        tooLong |= length == MAX_LINE || c == 0;
        if (!tooLong) {
            line[length++] = c;
        }
        return;
    }
    if (tooLong) {
        ESPER_WARNING("serial", "a line is too long, lost");
    } else if (length > 0 && handler != nullptr) {
        line[length] = 0;
        handler(object, line, length);
    }
    length = 0;
    tooLong = false;
}

}  // namespace esper
