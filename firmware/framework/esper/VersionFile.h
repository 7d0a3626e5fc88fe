#pragma once

#include <stddef.h>
#include <stdint.h>

#include "UpdateError.h"

namespace esper {

// A release as `<type>.version` names it (SPEC 5).
struct Release {
    static constexpr size_t MAX_FILE = 1024;  // bytes
    static constexpr uint32_t MAX_JUMP = 1000000;

    static constexpr size_t MAX_SIGNERS = 3;

    char version[33];
    uint8_t signers[2];                      // how many signatures there are for each slot
    uint8_t signatures[2][MAX_SIGNERS][64];  // of the images for slot 0 and 1
    uint32_t sequence;

    // Reads a whole version file. False: it is malformed, and the release undefined.
    bool parse(const char* text, size_t length);

    // What a device that runs this version and sequence is to do. NONE with install false:
    // it runs this release already.
    UpdateError decide(const char* ownVersion, uint32_t ownSequence, bool* install) const;
};

// 1 to 32 characters of [A-Za-z0-9._+-].
bool isVersion(const char* text, size_t length);

}  // namespace esper
