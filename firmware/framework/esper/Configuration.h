// What a build knows of its device type, release and site.
//
// One small translation unit, written by the build, defines everything declared here, so a
// new version or another device type recompiles nothing else.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

class Device;

// What an image says of itself, at slot address + 0x10 in flash (SPEC 2.3).
struct Descriptor {
    static constexpr uint32_t MAGIC = 0x72505345;  // "ESPr"
    static constexpr uint32_t FORMAT = 1;

    // What an image is linked for (SPEC 9).
    enum class Link : uint32_t {
        UNMARKED = 0,  // an image from before the mark
        EMULATOR = 1,
        CHIP = 2,
    };

    uint32_t magic;
    uint32_t format;
    char device[32];   // 0-padded
    char version[36];  // 0-padded
    uint32_t sequence;
    uint32_t slot;  // 0 or 1
    uint32_t size;  // bytes of the image, with the trailer
    Link link;
    uint32_t relocations;  // where the relocation list lies, from the image's start; 0: there is
                           // none (SPEC 2.4)
};

static_assert(sizeof(Descriptor) == 96, "SPEC 2.3");
static_assert(offsetof(Descriptor, sequence) == 76, "SPEC 2.3");

struct Configuration {
    const char* device;
    const char* version;
    uint32_t sequence;

    const char* realm;

    // Where the device has its settings from (SPEC 12.2).
    const uint32_t* settings;  // entries in flash, where only words may be read; nullptr: none
    uint16_t settingsSize;     // bytes
    bool stored;               // in the flash's settings, too, or only there

    uint32_t updateInterval;    // seconds; 0: none
    uint32_t triggerJitter;     // seconds that a trigger for all devices waits at most, to 3600
    const uint8_t (*keys)[32];  // Ed25519 public keys
    uint8_t keyCount;           // 1 to 4
    uint32_t confirmAfter;      // seconds that a trial must be healthy
    uint32_t trialTimeout;      // seconds, then a trial that is not confirmed ends
    bool refresh;               // bring the other slot to the same release

    uint32_t heartbeatTimeout;  // seconds; 0: off
};

extern const Configuration configuration;

// Lies in section .descriptor, which is in flash: only words may be read.
extern const Descriptor descriptor;

// The slot that this firmware runs from. By a whole word, whatever becomes of it.
inline uint32_t ownSlot() {
    return *const_cast<const volatile uint32_t*>(&descriptor.slot);
}

// The link of this firmware, read in the same way.
inline Descriptor::Link ownLink() {
    return *const_cast<const volatile Descriptor::Link*>(&descriptor.link);
}

// The slot that updates go into.
inline uint32_t standbySlot() {
    return 1 - ownSlot();
}

// Adds the services that this build wants to the device. Those that it does not want are
// never named, and the linker leaves their code out.
void installServices(Device& device);

// Has the lines of framework and SDK go where this build wants them, by a function of LogPort.
void openLog();

}  // namespace esper
