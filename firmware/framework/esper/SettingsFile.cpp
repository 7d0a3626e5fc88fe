#include "SettingsFile.h"

#include <string.h>

#include "Entries.h"
#include "Sealing.h"
#include "Text.h"
#include "VersionFile.h"

namespace esper {

namespace {

constexpr uint32_t MAGIC = 0x53505345;  // "ESPS"
constexpr uint32_t FORMAT = 1;
constexpr size_t MAX_KEYS = 3;
constexpr size_t MAX_SIGNATURES = 3;
constexpr size_t NONCE = 24;
constexpr size_t MAC = 16;
constexpr size_t KEY = 32;

// A text that ends within its place, with nothing but 0 behind it.
bool isPadded(const char* text, size_t capacity) {
    bool ended = false;
    for (size_t i = 0; i < capacity; i++) {
        if (ended && text[i] != 0) {
            return false;
        }
        ended |= text[i] == 0;
    }
    return ended;
}

}  // namespace

bool SettingsFile::parse(uint8_t* file, size_t size) {
    bytes = file;
    length = size;
    if (size < SEALED_KEYS || size > MAX_SIZE || word(0) != MAGIC || word(4) != FORMAT ||
        !isPadded(type(), 32) || type()[0] == 0 || !isPadded(chip(), 8) || sequence() > INT32_MAX ||
        sealedSize() == 0 || sealedSize() > Entries::MAX_SIZE || keys() == 0 || keys() > MAX_KEYS ||
        size <= signedSize()) {
        return false;
    }
    const size_t rest = size - signedSize();
    return rest % SIGNATURE == 0 && rest / SIGNATURE <= MAX_SIGNATURES;
}

UpdateError SettingsFile::decide(const char* ownType, const char* chipId, uint32_t own,
                                 bool* accept) const {
    *accept = false;
    if ((strcmp(type(), "*") != 0 && strcmp(type(), ownType) != 0) ||
        (forOneDevice() && strcmp(chip(), chipId) != 0)) {
        return UpdateError::WRONG_DEVICE;
    }
    if (sequence() < own) {
        return UpdateError::NOT_NEWER;
    }
    if (sequence() - own > Release::MAX_JUMP) {
        return UpdateError::SEQUENCE_JUMP;
    }
    *accept = sequence() > own;
    return UpdateError::NONE;
}

bool SettingsFile::signedText(const uint8_t sha256[32], char* buffer, size_t capacity,
                              size_t& size) const {
    Text text(buffer, capacity);
    text.add("esper settings 1\ndevice ").add(type());
    text.add("\nchip ").add(forOneDevice() ? chip() : "*");
    text.add("\nsequence ").number(sequence());
    text.add("\nsha256 ").hex(sha256, 32).add('\n');
    size = text.length();
    return text.fits();
}

uint8_t* SettingsFile::open(const uint8_t key[32]) {
    uint8_t* const sealed = bytes + SEALED_KEYS + keys() * SEALED_KEY;
    for (size_t i = 0; i < keys(); i++) {
        const uint8_t* const sealedKey = bytes + SEALED_KEYS + i * SEALED_KEY;
        uint8_t content[KEY];
        if (unseal(content, sealedKey + NONCE + MAC, sizeof(content), key, sealedKey,
                   sealedKey + NONCE, bytes, HEADER) &&
            unseal(sealed, sealed, sealedSize(), content, bytes + HEADER, bytes + HEADER + NONCE,
                   bytes, HEADER)) {
            return sealed;
        }
    }
    return nullptr;
}

}  // namespace esper
