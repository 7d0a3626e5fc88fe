#include "BootConfiguration.h"

#include <string.h>

#include "VersionFile.h"

namespace esper {

BootConfiguration BootConfiguration::of(uint8_t slot) {
    return {0xE1, 1, 0, slot, 0, 2, {0xFF, 0xFF}, {Layout::slot(0), Layout::slot(1), 0, 0}};
}

bool BootConfiguration::readable() const {
    return magic == 0xE1 && version == 1 && count == 2 && current < count &&
           slots[0] == Layout::slot(0) && slots[1] == Layout::slot(1);
}

bool isDescriptor(const Descriptor& descriptor, uint32_t slot) {
    // Texts that are 0-terminated within their place, so that they can be printed.
    const void* versionEnd = memchr(descriptor.version, 0, sizeof(descriptor.version));
    const void* deviceEnd = memchr(descriptor.device, 0, sizeof(descriptor.device));
    return descriptor.magic == Descriptor::MAGIC && descriptor.format == Descriptor::FORMAT &&
           descriptor.slot == slot && descriptor.size <= Layout::SLOT_SIZE &&
           descriptor.size >= Layout::DESCRIPTOR + sizeof(Descriptor) && deviceEnd != nullptr &&
           versionEnd != nullptr && isVersion(descriptor.version, strlen(descriptor.version));
}

}  // namespace esper
