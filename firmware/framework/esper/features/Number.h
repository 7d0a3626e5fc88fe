#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Feature.h"

namespace esper {

// A number that people set at <name>/set, with the range of its attributes: without one 0 to 100
// by 1. It has as many decimals as the range. Commands outside the range, or that are no multiple
// of the step from its least, are ignored. Device code asks for it, or derives and overrides apply.
// RAM: 48 bytes.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Number : private Commands<name>, public FeatureOf<Kind::NUMBER, name, about> {
  public:
    explicit Number(Device* device, Decimal initial = Decimal(LEAST, PLACES))
        : Commands<name>(device, receive<Number, &Number::onCommand>, this),
          FeatureOf<Kind::NUMBER, name, about>(device),
          number(LEAST) {
        int32_t scaled = 0;
        if (initial.scale(PLACES, scaled) && allowed(scaled)) {
            number = scaled;
        }
    }

    Decimal get() const { return Decimal(number, PLACES); }

    // Sets it. False: the value is not allowed, and nothing has changed.
    bool set(Decimal wanted) {
        int32_t scaled = 0;
        return wanted.scale(PLACES, scaled) && take(scaled);
    }

  protected:
    // Called when it was set, by a command or by code.
    virtual void apply(Decimal) {}

  private:
    static constexpr uint8_t PLACES = attributes::places(about.values);
    static constexpr int32_t LEAST = attributes::scaled(about.values, about.values.least);
    static constexpr int32_t MOST = attributes::scaled(about.values, about.values.most);
    static constexpr int32_t STEP = attributes::scaled(about.values, about.values.step);

    static bool allowed(int32_t wanted) {
        return wanted >= LEAST && wanted <= MOST &&
               (static_cast<uint32_t>(wanted) - static_cast<uint32_t>(LEAST)) % STEP == 0;
    }

    void publishState() override { this->publish(get()); }

    void onCommand(const char* payload, size_t length) {
        int32_t wanted = 0;
        if (Decimal::parse(payload, length, PLACES, wanted)) {
            take(wanted);
        }
    }

    bool take(int32_t wanted) {
        if (!allowed(wanted)) {
            return false;
        }
        number = wanted;
        apply(get());
        publishState();
        return true;
    }

    int32_t number;  // in units of its last decimal
};

}  // namespace esper
