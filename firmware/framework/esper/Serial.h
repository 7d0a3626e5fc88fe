#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Timer.h"

namespace esper {

// UART 0 (RX GPIO3, TX GPIO1) for the work of the device type, in lines: a projector, a meter, a
// second microcontroller. 8 bits, no parity, one stop bit. One object for the device; the log has
// to go elsewhere ([log] port in device.toml).
//
// The chip's FIFO of 128 bytes is read every 5 ms, so nothing is lost up to 115200 baud unless
// something else blocks for longer than 10 ms. A line is what stands before a CR or LF; empty ones
// are left out, and so is one that is longer than MAX_LINE. RAM: about 430 bytes.
class Serial {
  public:
    static constexpr size_t MAX_LINE = 128;  // bytes
    static constexpr size_t QUEUE = 256;     // bytes that wait to be sent, at most

    // A line, 0-terminated and without its end. It may hold any byte but 0, CR and LF.
    using Handler = void (*)(void* object, const char* line, size_t length);

    // Baud: 300 to 115200. The handler may be nullptr.
    explicit Serial(uint32_t baud, Handler handler = nullptr, void* object = nullptr);
    Serial(const Serial&) = delete;
    Serial& operator=(const Serial&) = delete;

    // Sends all of it, later. False: there is no room for it, and nothing of it is sent.
    bool send(const char* text, size_t length);
    bool send(const char* text);

  private:
    void poll();
    void take(char c);
    void fill();

    const Handler handler;
    void* const object;
    size_t length = 0;     // of the line that is coming
    bool tooLong = false;  // it is
    size_t waiting = 0;
    char line[MAX_LINE + 1];
    char queue[QUEUE];
    Timer timer;
};

}  // namespace esper
