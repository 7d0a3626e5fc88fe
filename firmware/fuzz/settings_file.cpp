// The input is a settings file. Sealing is the stand-in of sealing.cpp.
#include <esper/Entries.h>
#include <esper/SettingsFile.h>

#include <initializer_list>
#include <vector>

#include "fuzz.h"

using namespace esper;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::vector<uint8_t> file(data, data + size);
    SettingsFile release;
    if (!release.parse(file.data(), size)) {
        return 0;
    }
    PROMISE(size <= SettingsFile::MAX_SIZE && release.sequence() <= INT32_MAX);
    PROMISE(release.signatures() >= 1 && release.signatures() <= 3);
    PROMISE(release.signature(release.signatures() - 1) + 64 == file.data() + size);
    PROMISE(release.signedSize() + 64 * release.signatures() == size);
    PROMISE(release.sealedSize() >= 1 && release.sealedSize() <= Entries::MAX_SIZE);

    // Never what is there already, never backwards, never for others.
    for (const uint32_t own : {0u, 1u, 41u, release.sequence(), static_cast<uint32_t>(INT32_MAX)}) {
        bool accept = true;
        const UpdateError error = release.decide("socket", "00c0de", own, &accept);
        PROMISE(!accept || error == UpdateError::NONE);
        PROMISE(!accept || (release.sequence() > own && release.sequence() - own <= 1000000));
        release.decide("", "", own, &accept);
        PROMISE(!accept || data[8] == '*');
    }
    char text[192];
    size_t length = 0;
    const uint8_t digest[32] = {};
    PROMISE(release.signedText(digest, text, sizeof text, length));
    PROMISE(length == strlen(text));

    const uint8_t key[32] = {};
    const uint8_t* const opened = release.open(key);
    if (opened != nullptr) {
        PROMISE(opened + release.sealedSize() == release.signature(0));
        const Entries entries(opened, static_cast<uint32_t>(release.sealedSize()));
        if (entries.valid()) {
            entries.complete();
        }
    }
    return 0;
}
