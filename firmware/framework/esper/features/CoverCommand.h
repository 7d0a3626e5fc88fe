#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../Json.h"

namespace esper {

enum class CoverState : uint8_t { OPEN, OPENING, CLOSED, CLOSING, STOPPED };

const char* nameOf(CoverState state);

// A command to a cover (SPEC 7.6).
struct CoverCommand {
    enum What : uint8_t { OPEN, CLOSE, STOP, MOVE };

    What what = STOP;
    uint8_t position = 0;  // of MOVE, 0 to 100

    // False: it is none.
    bool parse(const char* payload, size_t length, bool hasPosition);
};

}  // namespace esper
