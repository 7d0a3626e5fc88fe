#pragma once

#include <stdint.h>

#include "../Clock.h"
#include "../Gpio.h"
#include "Feature.h"

namespace esper {

// Something on a pin that is switched on by 1 and off by 0 at <name>/set. Within damper
// milliseconds after a command further ones are ignored, for the sake of a relay.
template <const char* const name, uint16_t gpio, bool invert = false, uint16_t damper = 0>
class OnOffFeature : public Feature<name> {
  public:
    explicit OnOffFeature(Device* device, bool initial = false)
        : Feature<name>(device, "switch"),
          state(initial),
          commands(device, Subscription::Scope::ONE, name, "set",
                   receive<OnOffFeature, &OnOffFeature::onCommand>, this) {
        Gpio<gpio>::output(state != invert);
    }

    void set(bool on) {
        state = on;
        Gpio<gpio>::write(state != invert);
        publishState();
    }

    void toggle() { set(!state); }

  private:
    void publishState() override { this->publish(state); }

    void onCommand(const char* payload, size_t length) {
        const bool known = length == 1 && (payload[0] == '0' || payload[0] == '1');
        if (known && !damped()) {
            set(payload[0] == '1');
        }
    }

    bool damped() {
        const uint32_t now = Clock::milliseconds();
        if (commanded && now - lastCommand < damper) {
            return true;
        }
        commanded = true;
        lastCommand = now;
        return false;
    }

    bool state;
    bool commanded = false;
    uint32_t lastCommand = 0;
    Subscription commands;
};

}  // namespace esper

// The paper's Figure 4 uses these names.
using esper::Device;
using esper::OnOffFeature;
