#pragma once

// Why the device starts, where the SDK says it wrongly.
namespace Reset {

// Corrects the reason in system_get_rst_info(). Once, before anything else.
void begin();

}  // namespace Reset
