#pragma once

#include "OnOffFeature.h"

namespace esper {

// A socket with a relay: an OnOffFeature that ignores commands within 1 s after one.
template <const char* const name, uint16_t gpio, bool invert = false,
          const Attributes& about = NO_ATTRIBUTES, AfterRestart then = AfterRestart::OFF>
class Socket : public OnOffFeature<name, gpio, invert, 1000, about, then> {
  public:
    explicit Socket(Device* device, bool initial = false)
        : OnOffFeature<name, gpio, invert, 1000, about, then>(device, initial) {}
};

}  // namespace esper
