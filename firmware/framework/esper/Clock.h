#pragma once

#include <stdint.h>

namespace esper {

// Time since start. Must be asked at least once in 71 minutes, when the SDK's clock wraps;
// the device's timers see to that.
class Clock {
  public:
    // Time begins now. Once, before anything else: the SDK's clock may go on over a reset.
    static void begin();

    static uint32_t seconds();
    static uint32_t milliseconds();  // wraps after 49 days

  private:
    static void advance();

    static uint32_t last;    // system_get_time() at the last call
    static uint32_t whole;   // seconds
    static uint32_t micros;  // of the second that has begun
};

}  // namespace esper
