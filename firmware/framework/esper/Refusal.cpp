#include <string.h>

#include "Refusals.h"
#include "Sha256.h"

namespace esper {

static uint32_t checkOf(const Refusal& refusal) {
    uint8_t digest[Sha256::SIZE];
    Sha256 hash;
    hash.update(&refusal, offsetof(Refusal, check));
    hash.finish(digest);
    uint32_t check;
    memcpy(&check, digest, sizeof(check));
    return check;
}

Refusal Refusal::of(const char* version, uint32_t sequence, UpdateError why) {
    Refusal made = {};
    made.magic = MAGIC;
    made.sequence = sequence;
    for (size_t i = 0; i + 1 < sizeof(made.version) && version[i] != 0; i++) {
        made.version[i] = version[i];
    }
    made.why = why == UpdateError::CRASHED ? 1 : why == UpdateError::HUNG ? 2 : 3;
    made.check = checkOf(made);
    return made;
}

bool Refusal::valid() const {
    return magic == MAGIC && why >= 1 && why <= 3 && version[sizeof(version) - 1] == 0 &&
           check == checkOf(*this);
}

bool Refusal::erased() const {
    uint32_t words[sizeof(Refusal) / 4];
    memcpy(words, this, sizeof(words));
    for (const uint32_t word : words) {
        if (word != UINT32_MAX) {
            return false;
        }
    }
    return true;
}

bool Refusal::names(const char* otherVersion, uint32_t otherSequence) const {
    return sequence == otherSequence && strcmp(version, otherVersion) == 0;
}

UpdateError Refusal::reason() const {
    switch (why) {
        case 1:
            return UpdateError::CRASHED;
        case 2:
            return UpdateError::HUNG;
        default:
            return UpdateError::NOT_CONFIRMED;
    }
}

}  // namespace esper
