#pragma once

#include <stdint.h>

// Why the device starts, where the SDK says it wrongly.
namespace esper::Reset {

// Corrects the reason in system_get_rst_info(). Once, before anything else.
void begin();

// Whether a restart would end in the ROM, which waits for a flashing tool: GPIO0 was low when the
// power was switched on, and that counts until the power is switched again.
bool bootModeLatched();

// Calls what is to be done before the end (BeforeEnd). A restart does so by itself, deep sleep is
// for its caller to announce. Pause: seconds of deep sleep that follow.
void prepare(uint32_t pause);

}  // namespace esper::Reset

namespace esper {

// Has a function called before each restart and each deep sleep, those made last first. Must stay,
// and must not be moved.
class BeforeEnd {
  public:
    using Function = void (*)(void* object, uint32_t pause);

    BeforeEnd(Function function, void* object);
    BeforeEnd(const BeforeEnd&) = delete;
    BeforeEnd& operator=(const BeforeEnd&) = delete;

  private:
    friend void Reset::prepare(uint32_t pause);

    static BeforeEnd* first;

    const Function function;
    void* const object;
    BeforeEnd* const next;
};

}  // namespace esper
