#pragma once

#include "EdgeButton.h"

namespace esper {

// A button whose state toggles each time that it is pressed; when it is released, if activeEdge is
// false. Device code may have a function called with the new state:
//
//     ToggleButton<BUTTON, 0> button(&device, [](bool on) { relay.set(on); });
//
// Everything else as of EdgeButton.
template <const char* const name, uint16_t gpio, bool inverted = true, bool activeEdge = true,
          uint16_t damper = 100, const Attributes& about = NO_ATTRIBUTES>
class ToggleButton : public EdgeButton<name, gpio, inverted, damper, about> {
    using Base = EdgeButton<name, gpio, inverted, damper, about>;

  public:
    explicit ToggleButton(Device* device, typename Base::Callback callback = nullptr)
        : Base(device, callback) {}

  private:
    bool onEdge(bool pressed) override {
        return pressed == activeEdge ? !this->isOn() : this->isOn();
    }
};

}  // namespace esper
