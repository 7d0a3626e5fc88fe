#pragma once

#include <stdint.h>

namespace esper {

// The time to wait before the next try: 1 s at first, doubled with each failure up to 60 s,
// of which half is random, so that devices that failed together do not come back together.
class Backoff {
  public:
    void reset() { limit = FIRST; }

    // Milliseconds. random: any 32 bits.
    uint32_t next(uint32_t random) {
        const uint32_t half = limit / 2;
        const uint32_t wait = half + random % (half + 1);
        limit = limit < LAST / 2 ? limit * 2 : LAST;
        return wait;
    }

  private:
    static constexpr uint32_t FIRST = 1000;
    static constexpr uint32_t LAST = 60000;

    uint32_t limit = FIRST;
};

}  // namespace esper
