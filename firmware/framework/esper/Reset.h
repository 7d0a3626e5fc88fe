#pragma once

// Why the device starts, where the SDK says it wrongly.
namespace esper::Reset {

// Corrects the reason in system_get_rst_info(). Once, before anything else.
void begin();

// Whether a restart would end in the ROM, which waits for a flashing tool: GPIO0 was low when the
// power was switched on, and that counts until the power is switched again.
bool bootModeLatched();

}  // namespace esper::Reset
