#include "Refusals.h"

#include <string.h>

#include "Flash.h"

namespace esper {

static bool read(uint32_t address, Refusal& out) {
    return Flash::read(address, reinterpret_cast<uint32_t*>(&out), sizeof(out));
}

UpdateError Refusals::find(const char* version, uint32_t sequence) {
    Refusal refusal;
    for (uint32_t at = FIRST; at < END && read(at, refusal) && !refusal.erased();
         at += sizeof(refusal)) {
        if (refusal.valid() && refusal.names(version, sequence)) {
            return refusal.reason();
        }
    }
    return UpdateError::NONE;
}

bool Refusals::add(const char* version, uint32_t sequence, UpdateError why) {
    Refusal wanted = Refusal::of(version, sequence, why);
    Refusal found;
    for (uint32_t at = FIRST; at < END; at += sizeof(found)) {
        if (!read(at, found)) {
            return false;
        }
        // A place that does not take it is left behind as one whose check is wrong.
        if (found.erased() &&
            Flash::write(at, reinterpret_cast<uint32_t*>(&wanted), sizeof(wanted)) &&
            read(at, found) && memcmp(&found, &wanted, sizeof(wanted)) == 0) {
            return true;
        }
    }
    return false;
}

void Refusals::strike(const char* version, uint32_t sequence) {
    Refusal refusal;
    for (uint32_t at = FIRST; at < END && read(at, refusal) && !refusal.erased();
         at += sizeof(refusal)) {
        if (refusal.valid() && refusal.names(version, sequence)) {
            uint32_t nothing = 0;
            Flash::write(at, &nothing, sizeof(nothing));
        }
    }
}

}  // namespace esper
