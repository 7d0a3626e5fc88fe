#pragma once

#include <string.h>

#include "../Device.h"
#include "../Json.h"
#include "../Text.h"

// Something a device can do or measure, under <realm>/<id>/<name>. Its state is published
// when it changes and when the broker is back. What it is, its kind, the device's info tells.
template <const char* const name>
class Feature : public Service {
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
