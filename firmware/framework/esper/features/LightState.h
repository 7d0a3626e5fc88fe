#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../Json.h"

namespace esper {

// How a light shines. Brightness and colours are 0 to 255.
struct LightState {
    bool on = false;
    uint8_t brightness = 255;
    uint8_t red = 255;
    uint8_t green = 255;
    uint8_t blue = 255;

    // Does what a command says: 1, 0, or a JSON object of which each member may be missing (SPEC
    // 7.6). What is missing stays as it is. A brightness of 0 switches the light off, and the last
    // one stays for when it is switched on again. A light without brightness or colour ignores
    // that member, as all that are unknown. False: it is no command, and nothing has changed.
    bool command(const char* payload, size_t length, bool hasBrightness, bool hasColor);

    // Writes it as a JSON object. With a colour it names the mode, as Home Assistant wants it.
    void write(Json& out, bool hasBrightness, bool hasColor) const;

    static constexpr size_t MAX_LENGTH = 96;  // of what is written, with a 0 behind it
};

}  // namespace esper
