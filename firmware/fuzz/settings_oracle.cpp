// Answers what a device makes of entries and settings releases, as oracle.cpp does of other
// inputs, with Monocypher.
#include <esper/Entries.h>
#include <esper/SettingsFile.h>
#include <esper/Sha256.h>
#include <esper/Signature.h>

#include <string>
#include <vector>

#include "fuzz.h"

using namespace esper;

namespace {

std::string hex(const Entries& entries) {
    std::string out = "=";
    for (uint32_t i = 0; i < entries.size(); i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", entries.data()[i]);
        out += digits;
    }
    return out;
}

// Whether entries are valid, and complete.
std::string entries(const uint8_t* data, size_t size) {
    const Entries entries(data, static_cast<uint32_t>(size));
    return !entries.valid() ? "malformed" : entries.complete() ? "complete" : "valid";
}

Entries taken(Input& input, std::vector<uint8_t>& out) {
    const size_t length = input.byte() | static_cast<size_t>(input.byte()) << 8;
    out.resize(length);
    out.resize(input.take(out.data(), length));
    return Entries(out.data(), static_cast<uint32_t>(out.size()));
}

// The merging of the second entries into the first.
std::string merged(const uint8_t* data, size_t size) {
    Input input(data, size);
    std::vector<uint8_t> first, second;
    const Entries record = taken(input, first);
    const Entries changes = taken(input, second);
    std::vector<uint8_t> buffer(Entries::MAX_SIZE);
    EntriesWriter writer(buffer.data(), Entries::MAX_SIZE);
    writer.merge(record, changes);
    return writer.fits() ? hex(writer.entries()) : "too large";
}

// What socket 00c0de with a key, behind which lie its record and the file, makes of that: the
// candidate, or why it makes none. The steps are those of SettingsUpdate.
std::string release(const uint8_t* data, size_t size) {
    Input input(data, size);
    uint8_t key[32];
    input.take(key, sizeof key);
    std::vector<uint8_t> bytes;
    const Entries record = taken(input, bytes);
    std::vector<uint8_t> content(input.rest(), input.rest() + input.size());
    SettingsFile file;
    if (!file.parse(content.data(), content.size())) {
        return nameOf(UpdateError::MALFORMED_SETTINGS);
    }
    const char* const kind = file.forOneDevice() ? "device.sequence" : "sequence";
    bool accept = false;
    const UpdateError error =
        file.decide("socket", "00c0de", static_cast<uint32_t>(record.number(kind)), &accept);
    if (error != UpdateError::NONE) {
        return nameOf(error);
    }
    if (!accept) {
        return "nothing new";
    }
    Sha256 sum;
    uint8_t digest[32];
    sum.update(file.hashed(), file.signedSize());
    sum.finish(digest);
    char text[192];
    size_t length;
    PROMISE(file.signedText(digest, text, sizeof text, length));
    bool holds = false;
    for (size_t i = 0; i < file.signatures(); i++) {
        holds |= verifySignature(text, length, file.signature(i), key);
    }
    if (!holds) {
        return nameOf(UpdateError::BAD_SIGNATURE);
    }
    const uint32_t sequence = file.sequence();
    const bool one = file.forOneDevice();
    const uint32_t sealed = static_cast<uint32_t>(file.sealedSize());
    const uint8_t* opened =
        record.key("fleet") != nullptr ? file.open(record.key("fleet")) : nullptr;
    if (opened == nullptr && one && record.key("device.key") != nullptr) {
        opened = file.open(record.key("device.key"));
    }
    if (opened == nullptr) {
        return nameOf(UpdateError::WRONG_FLEET_KEY);
    }
    const Entries changes(opened, sealed);
    std::vector<uint8_t> buffer(Entries::MAX_SIZE);
    EntriesWriter writer(buffer.data(), Entries::MAX_SIZE);
    if (!changes.valid()) {
        return nameOf(UpdateError::MALFORMED_SETTINGS);
    }
    writer.merge(record, changes, kind).number(kind, static_cast<int32_t>(sequence));
    return writer.fits() ? hex(writer.entries()) : nameOf(UpdateError::MALFORMED_SETTINGS);
}

}  // namespace

std::string answer(char question, const uint8_t* data, size_t size) {
    switch (question) {
        case 'e':
            return entries(data, size);
        case 'm':
            return merged(data, size);
        case 's':
            return release(data, size);
        default:
            return "no such question";
    }
}
