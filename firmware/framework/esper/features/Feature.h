#pragma once

#include <string.h>

#include "../Device.h"
#include "../Text.h"
#include "AttributeChecks.h"
#include "Attributes.h"
#include "FeatureAttributes.h"
#include "FeatureName.h"

namespace esper {

// Something that a device can do or measure, under <realm>/<id>/<name>. Its state is published
// when it changes and when the broker is back. Its kind is in the device's info, and what else it
// says about itself in its attributes. RAM: 16 bytes, and a table of its virtual functions.
//
// Device code derives from this for a kind of its own; those of SPEC 7.6 have classes that it
// derives from: Switch, AdjustableLight, BinarySensor, Measurement, TextSensor, Number, Select,
// Command, Event and Cover.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Feature : public Service {
    static_assert(feature_name::length(name) > 0 &&
                      feature_name::length(name) <= feature_name::MAX_LENGTH,
                  "a feature's name must have 1 to 32 characters");
    static_assert(feature_name::isPlain(name),
                  "a feature's name may have the characters A-Z a-z 0-9 _ - only: "
                  "no blanks, slashes or umlauts");
    static_assert(!feature_name::isTaken(name),
                  "a feature cannot be called status, info, update, reboot, setting, settings or "
                  "features: the device has topics of these names");

  protected:
    static constexpr bool HAS_ATTRIBUTES = &about != &NO_ATTRIBUTES;

    Feature(Device* device, const char* kind) : Service(prepared(device)), kind(kind) {}

    // Publishes the state as it is now, by publish.
    virtual void publishState() = 0;

    void publish(bool on) { Service::publish(name, on ? "1" : "0", 1); }

    void publish(int32_t value) {
        char buffer[12];
        Text text(buffer, sizeof(buffer));
        text.number(value);
        publish(text.text(), text.length());
    }

    void publish(Decimal value) {
        char buffer[16];
        Text text(buffer, sizeof(buffer));
        value.write(text);
        publish(text.text(), text.length());
    }

    void publish(const char* text, size_t length) { Service::publish(name, text, length); }

    Description describe() const override {
        Description d;
        d.name = name;
        d.kind = kind;
        if constexpr (HAS_ATTRIBUTES) {
            d.attributes = FlashText::of<attributes::AsJson<about>>();
        }
        return d;
    }

  private:
    // In a constructor's body, after Service is made, that would cost a table of virtual functions.
    static Device* prepared(Device* device) {
        if constexpr (HAS_ATTRIBUTES) {
            FeatureAttributes::install(device);
        }
        return device;
    }

    void report() override { publishState(); }

    const char* const kind;
};

// A feature of a kind of SPEC 7.6, whose attributes are checked.
template <Kind of, const char* const name, const Attributes& about>
class FeatureOf : public Feature<name, about> {
    static_assert(sizeof(attributes::Checked<of, about>) > 0, "");

  protected:
    explicit FeatureOf(Device* device) : Feature<name, about>(device, attributes::nameOf(of)) {}
};

// Commands to a feature at <name>/set. As a base it comes before the feature: were it a member,
// each class between Feature and the last one would need a table of virtual functions, in RAM.
template <const char* const name>
class Commands {
  protected:
    Commands(Device* device, Subscription::Handler handler, void* object)
        : commands(device, Subscription::Scope::ONE, name, "set", handler, object) {}

  private:
    Subscription commands;
};

}  // namespace esper
