// The input is a version file.
#include <esper/VersionFile.h>

#include <initializer_list>
#include <string>

#include "fuzz.h"

using namespace esper;

namespace {

std::string hex(const uint8_t* bytes, size_t length) {
    std::string out;
    for (size_t i = 0; i < length; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", bytes[i]);
        out += digits;
    }
    return out;
}

// The release as the shortest version file of it.
std::string write(const Release& release) {
    std::string text = release.version;
    for (const auto& signatures : release.signatures) {
        text += "\n" + hex(signatures[0], 64);
    }
    text += "\nsequence " + std::to_string(release.sequence);
    for (int slot = 0; slot < 2; slot++) {
        for (size_t i = 1; i < release.signers[slot]; i++) {
            text +=
                "\nsignature" + std::to_string(slot) + " " + hex(release.signatures[slot][i], 64);
        }
    }
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Release release;
    if (!release.parse(reinterpret_cast<const char*>(data), size)) {
        return 0;
    }
    PROMISE(size <= Release::MAX_FILE);
    PROMISE(isVersion(release.version, strlen(release.version)));
    for (const uint8_t signers : release.signers) {
        PROMISE(signers >= 1 && signers <= Release::MAX_SIGNERS);
    }

    const std::string text = write(release);
    Release again;
    PROMISE(again.parse(text.data(), text.size()));
    PROMISE(write(again) == text);

    // What a device does with it: never what it runs already, never backwards.
    for (const uint32_t own : {0u, 1u, 41u, release.sequence, UINT32_MAX}) {
        bool install;
        const UpdateError error = release.decide("own", own, &install);
        PROMISE(!install || error == UpdateError::NONE);
        PROMISE(!install || strcmp(release.version, "own") != 0);
        PROMISE(!install || own == 0 || release.sequence > own);
        PROMISE(!install || own == 0 || release.sequence - own <= Release::MAX_JUMP);
    }
    return 0;
}
