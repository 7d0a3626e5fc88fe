#include "Blocked.h"

#include "Clock.h"
#include "Log.h"

namespace esper {

bool Blocked::said = false;

Blocked::Blocked() : since(Clock::milliseconds()) {}

Blocked::~Blocked() {
    const uint32_t took = Clock::milliseconds() - since;
    if (took > LIMIT && !said) {
        said = true;
        ESPER_LOG("device", "blocked for %u ms", static_cast<unsigned>(took));
    }
}

}  // namespace esper
