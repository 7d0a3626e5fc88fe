#pragma once

#include <stdint.h>

namespace esper {

// Watches a function of device code from its construction to its destruction. While one runs,
// nothing else does: no command is heard, and after some seconds the watchdog bites. The first that
// takes more than LIMIT is said on the serial line: "device: blocked for 120 ms".
class Blocked {
  public:
    static constexpr uint32_t LIMIT = 50;  // ms

    Blocked();
    ~Blocked();

  private:
    static bool said;
    const uint32_t since;  // ms
};

}  // namespace esper
