#pragma once

#include <stdint.h>

namespace esper {

// Why an update or settings were not installed (SPEC 7.2, 12.5).
enum class UpdateError : uint8_t {
    NONE,
    UNREACHABLE,
    HTTP_STATUS,
    MALFORMED_RESPONSE,
    MALFORMED_VERSION_FILE,
    NOT_NEWER,
    TOO_LARGE,
    TRUNCATED,
    WRONG_DEVICE,
    WRONG_VERSION,
    WRONG_SEQUENCE,
    WRONG_SLOT,
    WRONG_LINK,
    MALFORMED_IMAGE,
    BAD_SIGNATURE,
    FLASH,
    SEQUENCE_JUMP,
    NO_MEMORY,
    BOOT_MODE_LATCHED,
    // Why a delta was not used.
    MALFORMED_DELTA,
    WRONG_SOURCE,
    // How a trial ended.
    CRASHED,
    HUNG,
    NOT_CONFIRMED,
    // Of settings (SPEC 12.5).
    MALFORMED_SETTINGS,
    WRONG_FLEET_KEY,
    NO_WIFI,
    NO_BROKER,
    NO_UPDATE_SERVER,
};

const char* nameOf(UpdateError error);

}  // namespace esper
