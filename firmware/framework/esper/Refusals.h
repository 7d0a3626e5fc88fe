// Releases that were rolled back and are not to be tried again. They lie behind the boot
// configuration, in its sector (SPEC 3).
#pragma once

#include <stdint.h>

#include "BootConfiguration.h"
#include "UpdateError.h"

namespace esper {

struct Refusal {
    static constexpr uint32_t MAGIC = 0x4B425245;  // "ERBK"

    uint32_t magic;
    uint32_t sequence;
    char version[36];  // 0-padded
    uint32_t why;      // 1 crashed, 2 hung, 3 not confirmed
    uint32_t reserved[3];
    uint32_t check;

    // Why: CRASHED, HUNG or NOT_CONFIRMED.
    static Refusal of(const char* version, uint32_t sequence, UpdateError why);

    bool valid() const;
    bool erased() const;
    bool names(const char* otherVersion, uint32_t otherSequence) const;
    UpdateError reason() const;
};

static_assert(sizeof(Refusal) == 64, "SPEC 3");

}  // namespace esper

namespace esper::Refusals {

constexpr uint32_t FIRST = Layout::BOOT_CONFIGURATION + sizeof(Refusal);
constexpr uint32_t END = Layout::BOOT_CONFIGURATION + Layout::SECTOR;

// Why the release is refused; NONE if it is not.
UpdateError find(const char* version, uint32_t sequence);

// False: there is no room left, or the flash reported an error.
bool add(const char* version, uint32_t sequence, UpdateError why);

// Strikes the release's refusals out, so that it is tried again.
void strike(const char* version, uint32_t sequence);

}  // namespace esper::Refusals
