#pragma once

#include <stdint.h>
#include <user_interface.h>

namespace esper {

// The analogue input, 0 to 1023 for 0 V to 1 V. Fits Sensor's sample function.
inline int32_t readAdc() {
    return system_adc_read();
}

}  // namespace esper
