#pragma once

#include <string.h>

#include "../Device.h"
#include "../Json.h"
#include "../Text.h"
#include "FeatureName.h"

namespace esper {

// Something a device can do or measure, under <realm>/<id>/<name>. Its state is published
// when it changes and when the broker is back. What it is, its kind, the device's info tells.
template <const char* const name>
class Feature : public Service {
    static_assert(feature_name::length(name) > 0 &&
                      feature_name::length(name) <= feature_name::MAX_LENGTH,
                  "a feature's name must have 1 to 32 characters");
    static_assert(feature_name::isPlain(name),
                  "a feature's name may have the characters A-Z a-z 0-9 _ - only: "
                  "no blanks, slashes or umlauts");
    static_assert(!feature_name::isTaken(name),
                  "a feature cannot be called status, info, update, reboot, setting or settings: "
                  "the device has topics of these names");

  protected:
    Feature(Device* device, const char* kind) : Service(device), kind(kind) {}

    virtual void publishState() = 0;

    void publish(bool on) { Service::publish(name, on ? "1" : "0", 1); }

    void publish(int32_t value) {
        char buffer[12];
        Text text(buffer, sizeof(buffer));
        text.number(value);
        Service::publish(name, text.text(), text.length());
    }

  private:
    void report() override { publishState(); }
    void describe(Json& features) const override { features.string(name, kind); }

    const char* const kind;
};

}  // namespace esper
