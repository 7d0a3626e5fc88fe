#pragma once

#include <stdint.h>

#include "LightState.h"
#include "OnOffFeature.h"

namespace esper {

// A light on a pin, on or off, that shines while the pin is low unless told otherwise. Of kind
// light, and otherwise as an OnOffFeature.
template <const char* const name, uint16_t gpio, bool invert = true,
          const Attributes& about = NO_ATTRIBUTES>
class Light : public PinOnOff<Kind::LIGHT, name, gpio, invert, 0, about> {
    static_assert(!about.values.brightness && !about.values.color,
                  "brightness, color: of an AdjustableLight, not of one that is on or off");

  public:
    explicit Light(Device* device, bool initial = false)
        : PinOnOff<Kind::LIGHT, name, gpio, invert, 0, about>(device, initial) {}
};

// A light with a brightness, a colour or both, as its attributes say. Device code derives from it
// and has it shine in apply:
//
//     constexpr Attributes LAMP = Attributes().brightness();
//     class Lamp : public AdjustableLight<NAME, LAMP> {
//       public:
//         explicit Lamp(Device* device) : AdjustableLight(device) {}
//
//       private:
//         void apply(const LightState& light) override { … }
//     };
//
// Commands at <name>/set are 1, 0, or JSON as in SPEC 7.6. RAM: 48 bytes.
template <const char* const name, const Attributes& about>
class AdjustableLight : private Commands<name>, public FeatureOf<Kind::LIGHT, name, about> {
    static_assert(about.values.brightness || about.values.color,
                  "an AdjustableLight needs brightness() or color() in its attributes");

  public:
    const LightState& get() const { return state; }

    void set(const LightState& wanted) {
        state = wanted;
        apply(state);
        publishState();
    }

    void toggle() {
        state.on = !state.on;
        set(state);
    }

  protected:
    explicit AdjustableLight(Device* device, const LightState& initial = {})
        : Commands<name>(device, receive<AdjustableLight, &AdjustableLight::onCommand>, this),
          FeatureOf<Kind::LIGHT, name, about>(device),
          state(initial) {}

    // Does it. Not called for the initial state: that is the constructor's affair.
    virtual void apply(const LightState& light) = 0;

  private:
    void publishState() override {
        char buffer[LightState::MAX_LENGTH];
        Json json(buffer, sizeof(buffer));
        state.write(json, about.values.brightness, about.values.color);
        this->publish(json.text(), json.length());
    }

    void onCommand(const char* payload, size_t length) {
        if (state.command(payload, length, about.values.brightness, about.values.color)) {
            set(state);
        }
    }

    LightState state;
};

}  // namespace esper
