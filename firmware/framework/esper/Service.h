#pragma once

#include <stddef.h>
#include <stdint.h>

#include "InFlash.h"

namespace esper {

class Device;

// What a feature is. A service that is none has no name; one without a kind is no feature, but has
// pins.
struct Description {
    const char* name = nullptr;
    const char* kind = nullptr;
    FlashText attributes;  // JSON
    uint32_t pins = 0;     // that nothing else may use, a bit each

    Description on(uint16_t gpio) const {
        Description d = *this;
        d.pins |= 1u << gpio;
        return d;
    }
};

// A part of a device that wants to hear of its connections. Services live as long as the
// device.
class Service {
  public:
    virtual void onNetworkUp() {}
    virtual void onBrokerUp() {}
    virtual void onBrokerDown() {}
    virtual void onConfirmed() {}  // the firmware's trial is over
    virtual void onSettings() {}   // other settings are used, or a trial of settings is over

    // Whether it is at something that must not be interrupted by a trial of settings.
    virtual bool busy() const { return false; }

    // On a trial that is healthy otherwise, again and again: whether it has shown that it can
    // do what the next update needs. The trial is not confirmed before.
    virtual bool proven() { return true; }

    // What it is, if it is a feature.
    virtual Description describe() const { return {}; }

    // Publishes all that the broker is to retain of it, as it is now.
    virtual void report() {}

  protected:
    explicit Service(Device* device);

    // Publishes under <realm>/<id>/, retained. If there is no room for it now, report is called
    // when there is: what is retained is a state, so the newest is enough.
    void publish(const char* name, const char* payload, size_t length);

    // Publishes under <realm>/<id>/<name>/<suffix>, or without the suffix if that is empty. Not
    // retained: it is an event, which is lost when there is no connection, or no room for it.
    void announce(const char* name, const char* suffix, const char* payload, size_t length);

    Device* const device;

  private:
    friend class Device;
    Service* next = nullptr;
    bool due = false;  // to be reported
};

// A topic that a device listens to. As a static object, or a member of one, made before the device
// connects. The handler is called in the context of all device code; name and suffix must stay.
// Topic and payload have at most 510 bytes together: what is longer is cut off. Retained messages
// are left out, as they are of a time before this connection.
class Subscription {
  public:
    enum class Scope : uint8_t { ALL, ONE };  // <realm>/<name>, <realm>/<id>/<name>

    using Handler = void (*)(void* object, const char* payload, size_t length);

    // Topic: the name, and a slash and the suffix if there is one. retained: what is published
    // there is a state and no command, so it is heard, too, if the broker kept it (SPEC 7).
    Subscription(Device* device, Scope scope, const char* name, const char* suffix, Handler handler,
                 void* object, bool retained = false);

  private:
    friend class Device;
    const Scope scope;
    const bool retained;
    const char* const name;
    const char* const suffix;
    const Handler handler;
    void* const object;
    Subscription* next = nullptr;
};

// Makes a member function a Subscription::Handler.
template <typename Type, auto method>
void receive(void* object, const char* payload, size_t length) {
    (static_cast<Type*>(object)->*method)(payload, length);
}

}  // namespace esper
