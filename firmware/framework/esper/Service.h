#pragma once

#include <stddef.h>

namespace esper {

class Device;
class Json;

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

    // Adds what it is to the features in the device's info.
    virtual void describe(Json&) const {}

    // Publishes all that the broker is to retain of it, as it is now.
    virtual void report() {}

  protected:
    explicit Service(Device* device);

    // Publishes under <realm>/<id>/, retained. If there is no room for it now, report is called
    // when there is: what is retained is a state, so the newest is enough.
    void publish(const char* name, const char* payload, size_t length);

    Device* const device;

  private:
    friend class Device;
    Service* next = nullptr;
    bool due = false;  // to be reported
};

// A topic that a device listens to.
class Subscription {
  public:
    enum class Scope { ALL, ONE };  // <realm>/<name>, <realm>/<id>/<name>

    using Handler = void (*)(void* object, const char* payload, size_t length);

    // Topic: the name, and a slash and the suffix if there is one.
    Subscription(Device* device, Scope scope, const char* name, const char* suffix, Handler handler,
                 void* object);

  private:
    friend class Device;
    const Scope scope;
    const char* const name;
    const char* const suffix;
    const Handler handler;
    void* const object;
    Subscription* next = nullptr;
};

// Makes a member function a Subscription::Handler.
template <typename Type, void (Type::*method)(const char*, size_t)>
void receive(void* object, const char* payload, size_t length) {
    (static_cast<Type*>(object)->*method)(payload, length);
}

}  // namespace esper
