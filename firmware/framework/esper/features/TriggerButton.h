#pragma once

#include "EdgeButton.h"

namespace esper {

// A button whose state is 1 while it is pressed. Device code may have a function called with the
// new state. Everything else as of EdgeButton.
template <const char* const name, uint16_t gpio, bool inverted = true, uint16_t damper = 100,
          const Attributes& about = NO_ATTRIBUTES>
class TriggerButton : public EdgeButton<name, gpio, inverted, damper, about> {
    using Base = EdgeButton<name, gpio, inverted, damper, about>;

  public:
    explicit TriggerButton(Device* device, typename Base::Callback callback = nullptr)
        : Base(device, callback) {}

  private:
    bool onEdge(bool pressed) override { return pressed; }
};

}  // namespace esper
