// Lines of text for people, on the port that [log] in device.toml names:
//     ESPER_WARNING("lamp", "%d degrees, off", degrees);
// prints "17 lamp: 82 degrees, off", 17 s after the start. The area and the format must be string
// literals; the conversions are those of printf without %f and 64-bit numbers, and the compiler
// checks them. A line above the device type's level takes no memory, and its arguments are not
// evaluated.
//
// Formats lie in flash, which the SDK's printf can read; those in a template lie in RAM, as GCC
// ignores sections there: keep them short.
#pragma once

#include <osapi.h>

#include "Clock.h"

#define ESPER_LOG_NONE 0
#define ESPER_LOG_ERROR 1
#define ESPER_LOG_WARNING 2
#define ESPER_LOG_INFO 3
#define ESPER_LOG_DEBUG 4

// The device type's level; the build sets another one.
#ifndef ESPER_LOG_LEVEL
#define ESPER_LOG_LEVEL ESPER_LOG_INFO
#endif

#define ESPER_ERROR(area, format, ...) ESPER_LOG_LINE(ESPER_LOG_ERROR, area, format, ##__VA_ARGS__)
#define ESPER_WARNING(area, format, ...) \
    ESPER_LOG_LINE(ESPER_LOG_WARNING, area, format, ##__VA_ARGS__)
#define ESPER_INFO(area, format, ...) ESPER_LOG_LINE(ESPER_LOG_INFO, area, format, ##__VA_ARGS__)
#define ESPER_DEBUG(area, format, ...) ESPER_LOG_LINE(ESPER_LOG_DEBUG, area, format, ##__VA_ARGS__)
#define ESPER_LOG(area, format, ...) ESPER_INFO(area, format, ##__VA_ARGS__)

#define ESPER_LOG_LINE(level, area, format, ...)                                                   \
    do {                                                                                           \
        if ((level) <= ESPER_LOG_LEVEL) {                                                          \
            static const char line[] ESPER_LOG_IN_FLASH(__COUNTER__) =                             \
                "%u " area ": " format "\n";                                                       \
            os_printf_plus(line, static_cast<unsigned>(::esper::Clock::seconds()), ##__VA_ARGS__); \
        }                                                                                          \
    } while (false)

// Each line has a section of its own, so that the linker leaves out those of unused functions, and
// since the compiler refuses to put constants of inline and other functions into the same one. The
// SDK copies formats by words.
#define ESPER_LOG_IN_FLASH(n) ESPER_LOG_IN_SECTION(n)
#define ESPER_LOG_IN_SECTION(n) __attribute__((section(".irom.constants.log." #n), aligned(4)))
