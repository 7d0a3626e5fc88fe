#include "Heartbeat.h"

#include "../Configuration.h"
#include "../Device.h"
#include "../Log.h"

namespace esper {

Heartbeat::Heartbeat(Device* device)
    : Service(device),
      timer(bind<Heartbeat, &Heartbeat::onSecond>, this),
      beats(device, Subscription::Scope::ALL, "heartbeat", "",
            receive<Heartbeat, &Heartbeat::onBeat>, this) {}

void Heartbeat::onBrokerUp() {
    silence = 0;
    timer.repeat(1000);
}

void Heartbeat::onBrokerDown() {
    timer.stop();
}

void Heartbeat::onBeat(const char*, size_t) {
    silence = 0;
}

void Heartbeat::onSecond() {
    if (++silence == configuration.heartbeatTimeout) {
        ESPER_WARNING("heartbeat", "missed");
        device->restart();
    }
}

}  // namespace esper
