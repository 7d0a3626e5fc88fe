#pragma once

#include <stdint.h>

#include "../Persisted.h"

namespace esper {

// What a switch is after a restart, be it by an update or a power cut: off, unless its constructor
// is given another initial state; on; or the same as before.
enum class AfterRestart : uint8_t { OFF, ON, SAME };

// What a switch remembers for that. Only SAME needs RAM and flash: a Persisted<bool> of the
// feature's name.
template <const char* const name, AfterRestart then>
class Remembered {
  protected:
    explicit Remembered(bool) {}
    bool remembered(bool initial) const { return then == AfterRestart::ON || initial; }
    void remember(bool) {}
};

// The feature's name must be one of a persisted value, so without capitals.
template <const char* const name>
class Remembered<name, AfterRestart::SAME> {
  protected:
    explicit Remembered(bool initial) : state(name, initial) {}
    bool remembered(bool) const { return state; }
    void remember(bool on) { state.set(on); }

  private:
    Persisted<bool> state;
};

}  // namespace esper
