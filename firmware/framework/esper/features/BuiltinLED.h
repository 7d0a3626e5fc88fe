#pragma once

#include "Light.h"

namespace esper {

// The LED of most modules with an ESP8266: at GPIO2, on while that is low.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class BuiltinLED : public Light<name, 2, true, about> {
  public:
    explicit BuiltinLED(Device* device, bool initial = false)
        : Light<name, 2, true, about>(device, initial) {}
};

}  // namespace esper
