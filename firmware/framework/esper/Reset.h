#pragma once

#include <stdint.h>

// Why the device starts, where the SDK says it wrongly.
namespace esper::Reset {

// Corrects the reason in system_get_rst_info(). Once, before anything else.
void begin();

// Whether a restart would end in the ROM, which waits for a flashing tool: GPIO0 was low when the
// power was switched on, and that counts until the power is switched again.
bool bootModeLatched();

// Has a function called before each restart and each deep sleep; the one that was given last.
// Pause: seconds of deep sleep that follow.
void beforeEnd(void (*function)(uint32_t pause));

// Calls that function. A restart does so by itself, deep sleep is for its caller to announce.
void prepare(uint32_t pause);

}  // namespace esper::Reset
