#pragma once

#include <stdint.h>

namespace esper {

// Rides out the bouncing of a contact that is polled every INTERVAL ms: a level counts when STABLE
// polls agree, so after 20 to 30 ms. RAM: 2 bytes.
class Debounce {
  public:
    static constexpr uint32_t INTERVAL = 10;  // ms

    explicit Debounce(bool level = false) : now(level) {}

    // Takes the level of a poll. True: what counts has changed.
    bool changed(bool level) {
        if (level == now) {
            different = 0;
            return false;
        }
        if (++different < STABLE) {
            return false;
        }
        different = 0;
        now = level;
        return true;
    }

    bool level() const { return now; }

  private:
    static constexpr uint8_t STABLE = 3;

    bool now;
    uint8_t different = 0;
};

}  // namespace esper
