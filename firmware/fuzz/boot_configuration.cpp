// The input is a boot configuration, a descriptor, an RTC record and a refusal, as the framework
// reads them.
#include <esper/BootConfiguration.h>
#include <esper/BootRecord.h>
#include <esper/Refusals.h>
#include <esper/VersionFile.h>

#include <initializer_list>

#include "fuzz.h"

using namespace esper;

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

    uint32_t words[BootRecord::WORDS] = {};
    input.take(words, sizeof words);
    const BootRecord record = BootRecord::of(words);
    uint32_t written[BootRecord::WORDS];
    record.put(written);
    PROMISE(memcmp(&record, written + 1, 4) == 0);
    const BootRecord again = BootRecord::of(written);
    PROMISE(memcmp(&again, &record, sizeof record) == 0);

    Refusal refusal = {};
    input.take(&refusal, sizeof refusal);
    PROMISE(!refusal.valid() || !refusal.erased());
    // One that says the same is written, and no other than it is found by its name.
    refusal.version[32] = 0;
    const Refusal own = Refusal::of(refusal.version, refusal.sequence, refusal.reason());
    PROMISE(own.valid() && own.reason() == refusal.reason());
    PROMISE(own.names(refusal.version, refusal.sequence));
    PROMISE(!own.names(refusal.version, refusal.sequence + 1));
    return 0;
}
