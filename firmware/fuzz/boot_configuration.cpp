// The input is a boot configuration and then a descriptor, as the framework reads them.
#include <esper/BootConfiguration.h>
#include <esper/VersionFile.h>

#include <initializer_list>

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    BootConfiguration configuration = {};
    input.take(&configuration, sizeof configuration);
    if (configuration.readable()) {
        PROMISE(configuration.current < 2);
        const BootConfiguration own = BootConfiguration::of(configuration.current);
        PROMISE(own.readable());
        PROMISE(memcmp(own.slots, configuration.slots, 8) == 0);
    }
    Descriptor descriptor = {};
    input.take(&descriptor, sizeof descriptor);
    PROMISE(!isDescriptor(descriptor, 0) || !isDescriptor(descriptor, 1));
    for (const uint32_t slot : {0u, 1u}) {
        if (isDescriptor(descriptor, slot)) {
            PROMISE(isVersion(descriptor.version, strlen(descriptor.version)));
            PROMISE(strlen(descriptor.device) < sizeof descriptor.device);
            PROMISE(Layout::slot(slot) + descriptor.size <= 0x0FB000);
        }
    }
    return 0;
}
