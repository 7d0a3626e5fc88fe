#pragma once

#include <osapi.h>

#include "Clock.h"

// A line on the serial port, with the seconds since start before it. Formats lie in RAM:
// keep them short.
#define ESPER_LOG(area, format, ...)                                                              \
    os_printf_plus("%u " area ": " format "\n", static_cast<unsigned>(::esper::Clock::seconds()), \
                   ##__VA_ARGS__)
