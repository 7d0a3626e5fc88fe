#include "FeatureAttributes.h"

#include <string.h>
#include <user_interface.h>

#include "../Device.h"
#include "../Log.h"
#include "../Text.h"

namespace esper {

// Bytes, as SPEC 7.6 says. Like an info it is sent once there is that much room in the queue.
static constexpr size_t MAX_ATTRIBUTES = 2560;
static_assert(MAX_ATTRIBUTES + 64 <= Mqtt::QUEUE, "the attributes must fit into the queue");

void FeatureAttributes::install(Device* device) {
    static FeatureAttributes one(device);
}

// A feature is left out as a whole if there is no room for it.
void FeatureAttributes::report() {
    char* const buffer = static_cast<char*>(pvPortMalloc(MAX_ATTRIBUTES + 1, "", 0, false));
    if (buffer == nullptr) {
        ESPER_WARNING("features", "no memory");
        return;  // until the next connection
    }
    Text json(buffer, MAX_ATTRIBUTES + 1);
    const char* lost = nullptr;
    const Service* at = nullptr;
    Description d;
    while (device->next(at, d)) {
        const size_t size = d.attributes ? strlen(d.name) + d.attributes.length() + 4 : 0;
        if (size == 0) {
            continue;
        }
        if (json.length() + size + 1 > MAX_ATTRIBUTES) {
            lost = lost == nullptr ? d.name : lost;
            continue;
        }
        json.add(json.length() == 0 ? '{' : ',').add('"').add(d.name).add("\":");
        for (size_t i = 0; i < d.attributes.length(); i++) {
            json.add(d.attributes[i]);
        }
    }
    json.add('}');
    if (lost != nullptr) {
        ESPER_WARNING("features", "no room for the attributes of %s", lost);
    }
    publish("features", json.text(), json.length());
    vPortFree(buffer, "", 0);
}

}  // namespace esper
