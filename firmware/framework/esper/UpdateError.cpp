#include "UpdateError.h"

namespace esper {

const char* nameOf(UpdateError error) {
    switch (error) {
        case UpdateError::NONE:
            return "";
        case UpdateError::UNREACHABLE:
            return "unreachable";
        case UpdateError::HTTP_STATUS:
            return "http-status";
        case UpdateError::MALFORMED_RESPONSE:
            return "malformed-response";
        case UpdateError::MALFORMED_VERSION_FILE:
            return "malformed-version-file";
        case UpdateError::NOT_NEWER:
            return "not-newer";
        case UpdateError::TOO_LARGE:
            return "too-large";
        case UpdateError::TRUNCATED:
            return "truncated";
        case UpdateError::WRONG_DEVICE:
            return "wrong-device";
        case UpdateError::WRONG_VERSION:
            return "wrong-version";
        case UpdateError::WRONG_SEQUENCE:
            return "wrong-sequence";
        case UpdateError::WRONG_SLOT:
            return "wrong-slot";
        case UpdateError::WRONG_LINK:
            return "wrong-link";
        case UpdateError::MALFORMED_IMAGE:
            return "malformed-image";
        case UpdateError::BAD_SIGNATURE:
            return "bad-signature";
        case UpdateError::FLASH:
            return "flash";
        case UpdateError::SEQUENCE_JUMP:
            return "sequence-jump";
        case UpdateError::NO_MEMORY:
            return "no-memory";
        case UpdateError::BOOT_MODE_LATCHED:
            return "boot-mode-latched";
        case UpdateError::MALFORMED_DELTA:
            return "malformed-delta";
        case UpdateError::WRONG_SOURCE:
            return "wrong-source";
        case UpdateError::CRASHED:
            return "crashed";
        case UpdateError::HUNG:
            return "hung";
        case UpdateError::NOT_CONFIRMED:
            return "not-confirmed";
        case UpdateError::MALFORMED_SETTINGS:
            return "malformed-settings";
        case UpdateError::WRONG_FLEET_KEY:
            return "wrong-fleet-key";
        case UpdateError::NO_WIFI:
            return "no-wifi";
        case UpdateError::NO_BROKER:
            return "no-broker";
        case UpdateError::NO_UPDATE_SERVER:
            return "no-update-server";
    }
    return "";
}

}  // namespace esper
