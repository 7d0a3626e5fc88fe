#include "Reboot.h"

#include <string.h>

#include "../Device.h"

namespace esper {

Reboot::Reboot(Device* device)
    : Service(device),
      toAll(device, Subscription::Scope::ALL, "reboot", "", receive<Reboot, &Reboot::onRequest>,
            this),
      toOne(device, Subscription::Scope::ONE, "reboot", "", receive<Reboot, &Reboot::onRequest>,
            this) {}

void Reboot::onRequest(const char* payload, size_t length) {
    if (length == strlen(device->id()) && memcmp(payload, device->id(), length) == 0) {
        device->restart();
    }
}

}  // namespace esper
