#include "Device.h"

#include <string.h>
#include <user_interface.h>

#include "Blocked.h"
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

void Service::announce(const char* name, const char* suffix, const char* payload, size_t length) {
    char topic[Device::MAX_TOPIC];
    if (device->topic(Subscription::Scope::ONE, name, suffix, topic)) {
        device->mqtt.publish(topic, payload, length, false);
    }
}

Subscription::Subscription(Device* device, Scope scope, const char* name, const char* suffix,
                           Handler handler, void* object, bool retained)
    : scope(scope),
      retained(retained),
      name(name),
      suffix(suffix),
      handler(handler),
      object(object) {
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
    ESPER_INFO("device", "%s %s %s, slot %u%s", configuration.device, chipId, configuration.version,
               static_cast<unsigned>(descriptor.slot), SafeMode::active() ? ", safe mode" : "");
    if (dormant) {
        return;
    }
    check();
    clockTimer.repeat(CLOCK_INTERVAL);
    wifi.start();
    trial.start();
}

void Device::restart() {
    if (Reset::bootModeLatched()) {
        ESPER_ERROR("device", "would not come back: switch the power off and on");
        return;
    }
    ESPER_INFO("device", "restart");
    say(OFFLINE);
    restartTimer.once(RESTART_DELAY);
}

bool Device::next(const Service*& at, Description& out) const {
    for (at = at == nullptr ? services : at->next; at != nullptr; at = at->next) {
        out = at->describe();
        if (out.name != nullptr) {
            return true;
        }
    }
    return false;
}

// Says what no compiler sees, as features are objects of their own: once for each feature. A
// release whose device says so is refused before it is published.
void Device::check() const {
    unsigned features = 0;
    Description later;
    for (const Service* at = nullptr; next(at, later);) {
        features += later.kind != nullptr;
        Description earlier;
        bool good = true;
        for (const Service* other = at; good && next(other, earlier);) {
            const uint32_t both = later.pins & earlier.pins;
            if (later.kind != nullptr && earlier.kind != nullptr &&
                strcmp(later.name, earlier.name) == 0) {
                ESPER_ERROR("device", "two features are called %s", later.name);
                good = false;
            } else if (both != 0) {
                unsigned pin = 0;
                while ((both >> pin & 1) == 0) {
                    pin++;
                }
                ESPER_ERROR("device", "pin %u is used by %s and %s", pin, earlier.name, later.name);
                good = false;
            }
        }
    }
    if (features > MAX_FEATURES) {
        ESPER_ERROR("device", "%u features, more than 32", features);
    }
}

// Publishes it as the status.
void Device::say(const char* newStatus) {
    status = newStatus;
    proceed();
}

// Whether all that it has to say has gone out to the broker, and the broker has answered.
bool Device::settled() const {
    return mqtt.idle() && !waiting;
}

void Device::describeItself(Json& out) const {
    for (const InfoPart* part = parts; part != nullptr; part = part->next) {
        part->write(out);
    }
}

bool Device::publish(const char* name, const char* payload, size_t length) {
    char buffer[MAX_TOPIC];
    if (!topic(Subscription::Scope::ONE, name, "", buffer)) {
        ESPER_ERROR("device", "too long, lost %s", name);
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
    char buffer[MAX_TOPIC];
    for (Subscription* each = subscriptions; each != nullptr; each = each->next) {
        if (message.retained && !each->retained) {
            continue;  // of a time before this connection: no command (SPEC 7)
        }
        if (topic(each->scope, each->name, each->suffix, buffer) &&
            strlen(buffer) == message.topicLength &&
            memcmp(buffer, message.topic, message.topicLength) == 0) {
            const Blocked watch;
            each->handler(each->object, message.payload, message.payloadLength);
        }
    }
}

}  // namespace esper
