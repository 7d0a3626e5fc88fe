#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Mqtt.h"
#include "Service.h"
#include "Wifi.h"
#include "services/Info.h"
#include "services/Reboot.h"
#include "services/Trial.h"

namespace esper {

// What looks for releases (services/Update.h).
class Checker {
  public:
    // Looks for one as soon as nothing is in the way.
    virtual void look() = 0;

    // Whether it has found something to do, which takes as long as it takes.
    virtual bool installing() const = 0;
};

// The device: its connections, and the services and features that use them. A firmware
// defines one, with its features, and getDevice().
class Device : private Wifi::Listener, private Mqtt::Listener {
  public:
    Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    void start();

    // Restarts in a moment, so that what is queued for the broker still goes out.
    void restart();

    // Goes on to the next service that describes itself, from nullptr on. False: there is none.
    bool next(const Service*& at, Description& out) const;

    // Adds what else there is to say to its info.
    void describeItself(Json& info) const;

    // Publishes under <realm>/<id>/, retained. False: there is no room, or no connection.
    bool publish(const char* name, const char* payload, size_t length);

    const char* id() const { return chipId; }  // 6 lower-case hex digits
    const Wifi& getWifi() const { return wifi; }
    bool onTrial() const { return trial.running(); }  // the firmware is
    bool connected() const { return mqtt.connected(); }
    bool trying() const { return trial.undecided(); }  // firmware or settings are
    void trySettings() { trial.trySettings(); }        // the candidate, if there is one
    void reportInfo() { info.report(); }               // what it says has changed
    void checkWith(Checker* with) { checker = with; }
    bool looksAtStart() const { return !sleeps; }  // for a release, when it reaches the network

  private:
    friend class InfoPart;
    friend class Service;
    friend class Sleep;
    friend class Subscription;
    friend class Trial;

    static constexpr size_t MAX_TOPIC = 160;
    static constexpr unsigned MAX_FEATURES = 32;  // SPEC 7.1

    void onNetworkUp() override;
    void onNetworkDown() override;
    void onBrokerUp() override;
    void onBrokerDown() override;
    void onMessage(const MqttMessage& message) override;
    void onRoom() override;
    void proceed();
    bool report();
    void check() const;
    void say(const char* newStatus);
    bool settled() const;
    bool proven();
    void confirmed();
    bool busy() const;
    void reconnect();
    void settingsChanged();

    bool topic(Subscription::Scope scope, const char* name, const char* suffix,
               char (&out)[MAX_TOPIC]) const;

    char chipId[7];
    char statusTopic[MAX_TOPIC];
    Service* services = nullptr;
    Subscription* subscriptions = nullptr;
    // What is still to be said on this connection.
    Subscription* unsubscribed = nullptr;
    Service* turn = nullptr;       // that is asked first
    const char* status = nullptr;  // if it is to be published
    bool waiting = false;          // for room
    bool reporting = false;        // of what waits
    bool sleeps = false;           // between times, and then decides itself when to look (Sleep.h)
    bool dormant = false;          // it only goes on sleeping
    Checker* checker = nullptr;
    const InfoPart* parts = nullptr;
    Wifi wifi;
    Mqtt mqtt;
    SystemTimer restartTimer;
    SystemTimer clockTimer;
    Info info;
    Reboot reboot;
    Trial trial;
};

}  // namespace esper

// Defined by each firmware, outside the namespace.
esper::Device* getDevice();
