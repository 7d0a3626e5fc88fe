#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "Switch.h"

namespace esper {

// What an OnOff does on a pin.
template <Kind of, const char* const name, uint16_t gpio, bool invert, uint16_t damper,
          const Attributes& about>
class PinOnOff : public OnOff<of, name, about, damper> {
  protected:
    PinOnOff(Device* device, bool initial) : OnOff<of, name, about, damper>(device, initial) {
        Gpio<gpio>::output(initial != invert);
    }

    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

  private:
    void apply(bool on) override { Gpio<gpio>::write(on != invert); }
};

// Something on a pin that is switched on by 1 and off by 0 at <name>/set. The pin is high when it
// is on, or low if it is inverted. Within damper milliseconds after a command further ones are
// ignored, for the sake of a relay. RAM as of OnOff.
template <const char* const name, uint16_t gpio, bool invert = false, uint16_t damper = 0,
          const Attributes& about = NO_ATTRIBUTES>
class OnOffFeature : public PinOnOff<Kind::SWITCH, name, gpio, invert, damper, about> {
  public:
    explicit OnOffFeature(Device* device, bool initial = false)
        : PinOnOff<Kind::SWITCH, name, gpio, invert, damper, about>(device, initial) {}
};

}  // namespace esper

// The paper's Figure 4 uses these names.
using esper::Device;
using esper::OnOffFeature;
