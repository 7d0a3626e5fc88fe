#pragma once

#include <stdint.h>

#include "../Gpio.h"
#include "AfterRestart.h"
#include "Switch.h"

namespace esper {

// What an OnOff does on a pin.
template <Kind of, const char* const name, uint16_t gpio, bool invert, uint16_t damper,
          const Attributes& about, AfterRestart then = AfterRestart::OFF>
class PinOnOff : private Remembered<name, then>, public OnOff<of, name, about, damper> {
  protected:
    PinOnOff(Device* device, bool initial)
        : Remembered<name, then>(initial),
          OnOff<of, name, about, damper>(device, this->remembered(initial)) {
        Gpio<gpio>::output(this->isOn() != invert);
    }

    Description describe() const override { return Feature<name, about>::describe().on(gpio); }

  private:
    void apply(bool on) override {
        Gpio<gpio>::write(on != invert);
        this->remember(on);
    }
};

// Something on a pin that is switched on by 1 and off by 0 at <name>/set. The pin is high when it
// is on, or low if it is inverted. Within damper milliseconds after a command further ones are
// ignored, for the sake of a relay. Initial: its state when the device starts, unless `then` says
// otherwise. RAM as of OnOff, and 40 bytes for AfterRestart::SAME.
template <const char* const name, uint16_t gpio, bool invert = false, uint16_t damper = 0,
          const Attributes& about = NO_ATTRIBUTES, AfterRestart then = AfterRestart::OFF>
class OnOffFeature : public PinOnOff<Kind::SWITCH, name, gpio, invert, damper, about, then> {
  public:
    explicit OnOffFeature(Device* device, bool initial = false)
        : PinOnOff<Kind::SWITCH, name, gpio, invert, damper, about, then>(device, initial) {}
};

}  // namespace esper

// The paper's Figure 4 uses these names.
using esper::Device;
using esper::OnOffFeature;
