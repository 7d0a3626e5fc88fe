#pragma once

#include <stdint.h>

#include "../Clock.h"

namespace esper {

// Lets something happen only if it did not within so many milliseconds before. RAM: 8 bytes, none
// for 0 ms.
template <uint16_t milliseconds>
class Damper {
  public:
    bool damped() {
        const uint32_t now = Clock::milliseconds();
        if (used && now - last < milliseconds) {
            return true;
        }
        used = true;
        last = now;
        return false;
    }

  private:
    bool used = false;
    uint32_t last = 0;
};

template <>
class Damper<0> {
  public:
    bool damped() { return false; }
};

}  // namespace esper
