#include "CoverCommand.h"

#include <string.h>

#include "../Decimal.h"

namespace esper {

const char* nameOf(CoverState state) {
    switch (state) {
        case CoverState::OPEN:
            return "open";
        case CoverState::OPENING:
            return "opening";
        case CoverState::CLOSED:
            return "closed";
        case CoverState::CLOSING:
            return "closing";
        default:
            return "stopped";
    }
}

static bool is(const char* payload, size_t length, const char* word) {
    return strlen(word) == length && memcmp(payload, word, length) == 0;
}

bool CoverCommand::parse(const char* payload, size_t length, bool hasPosition) {
    int32_t percent = 0;
    if (is(payload, length, "open")) {
        what = OPEN;
    } else if (is(payload, length, "close")) {
        what = CLOSE;
    } else if (is(payload, length, "stop")) {
        what = STOP;
    } else if (hasPosition && Decimal::parse(payload, length, 0, percent) && percent >= 0 &&
               percent <= 100) {
        what = MOVE;
        position = static_cast<uint8_t>(percent);
    } else {
        return false;
    }
    return true;
}

}  // namespace esper
