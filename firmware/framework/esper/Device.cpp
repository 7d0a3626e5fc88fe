#include "Device.h"

#include <string.h>
#include <user_interface.h>

#include "Clock.h"
#include "Configuration.h"
#include "Log.h"
#include "Reset.h"
#include "SafeMode.h"
#include "Text.h"

namespace esper {

static constexpr const char* ONLINE = "ONLINE";
static constexpr const char* OFFLINE = "OFFLINE";

static constexpr uint32_t RESTART_DELAY = 300;      // ms
static constexpr uint32_t CLOCK_INTERVAL = 300000;  // ms; also how long no crash is healthy

Service::Service(Device* device) : device(device) {
    next = device->services;
    device->services = this;
}

void Service::publish(const char* name, const char* payload, size_t length) {
    due = !device->publish(name, payload, length);
    device->waiting |= due;
}

Subscription::Subscription(Device* device, Scope scope, const char* name, const char* suffix,
                           Handler handler, void* object)
    : scope(scope), name(name), suffix(suffix), handler(handler), object(object) {
    next = device->subscriptions;
    device->subscriptions = this;
}

Device::Device()
    : wifi(this),
      mqtt(this),
      restartTimer([](void*) { system_restart(); }, nullptr),
      clockTimer(
          [](void*) {
              Clock::seconds();
              SafeMode::healthy();
          },
          nullptr),
      info(this),
      reboot(this),
      trial(this) {
    Text(chipId, sizeof(chipId)).hex(system_get_chip_id(), 6);
    topic(Subscription::Scope::ONE, "status", "", statusTopic);
    mqtt.identify(chipId, statusTopic, OFFLINE);
}

void Device::start() {
    ESPER_LOG("device", "%s %s %s, slot %u%s", configuration.device, chipId, configuration.version,
              static_cast<unsigned>(descriptor.slot), SafeMode::active() ? ", safe mode" : "");
    clockTimer.repeat(CLOCK_INTERVAL);
    wifi.start();
    trial.start();
}

void Device::restart() {
    if (Reset::bootModeLatched()) {
        ESPER_LOG("device", "would not come back: switch the power off and on");
        return;
    }
    ESPER_LOG("device", "restart");
    status = OFFLINE;
    proceed();
    restartTimer.once(RESTART_DELAY);
}

void Device::describe(Json& features) const {
    for (const Service* service = services; service != nullptr; service = service->next) {
        service->describe(features);
    }
}

bool Device::publish(const char* name, const char* payload, size_t length) {
    char buffer[MAX_TOPIC];
    if (!topic(Subscription::Scope::ONE, name, "", buffer)) {
        ESPER_LOG("device", "too long, lost %s", name);
        return true;
    }
    // Or what waits would never get the room for it.
    return (!waiting || reporting) && mqtt.publish(buffer, payload, length, true);
}

bool Device::topic(Subscription::Scope scope, const char* name, const char* suffix,
                   char (&out)[MAX_TOPIC]) const {
    Text text(out, sizeof(out));
    text.add(configuration.realm).add('/');
    if (scope == Subscription::Scope::ONE) {
        text.add(chipId).add('/');
    }
    text.add(name);
    if (suffix[0] != 0) {
        text.add('/').add(suffix);
    }
    return text.fits();
}

void Device::onNetworkUp() {
    mqtt.start();
    for (Service* service = services; service != nullptr; service = service->next) {
        service->onNetworkUp();
    }
}

void Device::onNetworkDown() {
    mqtt.stop();
}

void Device::onBrokerUp() {
    unsubscribed = subscriptions;
    status = ONLINE;
    waiting = false;
    for (Service* service = services; service != nullptr; service = service->next) {
        service->due = true;
        service->onBrokerUp();
    }
    proceed();
}

void Device::onRoom() {
    if (waiting) {
        proceed();
    }
}

// Says what is to be said, as far as there is room. The status comes last, so that whoever acts
// on it finds all else up to date: Home Assistant runs automations by it.
void Device::proceed() {
    char buffer[MAX_TOPIC];
    waiting = true;
    for (; unsubscribed != nullptr; unsubscribed = unsubscribed->next) {
        const Subscription& s = *unsubscribed;
        if (topic(s.scope, s.name, s.suffix, buffer) && !mqtt.subscribe(buffer)) {
            return;
        }
    }
    reporting = true;
    if (report() && (status == nullptr || publish("status", status, strlen(status)))) {
        status = nullptr;
        waiting = false;
    }
    reporting = false;
}

// Has each service report that has not yet; false: there is no room. That one begins the next
// time, so that each has its turn.
bool Device::report() {
    Service* const first = turn != nullptr ? turn : services;
    Service* service = first;
    do {
        if (service->due) {
            service->due = false;
            service->report();
            if (service->due) {
                turn = service;
                return false;
            }
        }
        service = service->next != nullptr ? service->next : services;
    } while (service != first);
    return true;
}

void Device::onBrokerDown() {
    for (Service* service = services; service != nullptr; service = service->next) {
        service->onBrokerDown();
    }
}

bool Device::proven() {
    for (Service* service = services; service != nullptr; service = service->next) {
        if (!service->proven()) {
            return false;
        }
    }
    return true;
}

bool Device::busy() const {
    for (const Service* service = services; service != nullptr; service = service->next) {
        if (service->busy()) {
            return true;
        }
    }
    return false;
}

// Leaves network and broker, and comes back with the settings that are used now.
void Device::reconnect() {
    mqtt.stop();
    wifi.restart();
}

void Device::settingsChanged() {
    for (Service* service = services; service != nullptr; service = service->next) {
        service->onSettings();
    }
}

void Device::confirmed() {
    for (Service* service = services; service != nullptr; service = service->next) {
        service->onConfirmed();
    }
}

void Device::onMessage(const MqttMessage& message) {
    if (message.retained) {
        return;  // of a time before this connection: no command (SPEC 7)
    }
    char buffer[MAX_TOPIC];
    for (Subscription* each = subscriptions; each != nullptr; each = each->next) {
        if (topic(each->scope, each->name, each->suffix, buffer) &&
            strlen(buffer) == message.topicLength &&
            memcmp(buffer, message.topic, message.topicLength) == 0) {
            each->handler(each->object, message.payload, message.payloadLength);
        }
    }
}

}  // namespace esper
