#pragma once

#include <stddef.h>
#include <stdint.h>

#include "UpdateError.h"

namespace esper {

// A settings release, `<type>.settings` (SPEC 12.4). Whether it is signed is for others to find
// out; nothing of it is to be believed before.
class SettingsFile {
  public:
    static constexpr size_t MAX_SIZE = 2560;

    // The bytes must stay. False: it breaks a rule.
    bool parse(uint8_t* bytes, size_t length);

    bool forOneDevice() const { return chip()[0] != 0; }
    uint32_t sequence() const { return word(48); }

    // Whether this device is to take it. NONE with accept false: it has it already.
    UpdateError decide(const char* type, const char* chipId, uint32_t own, bool* accept) const;

    size_t signatures() const { return (length - signedSize()) / SIGNATURE; }
    const uint8_t* signature(size_t index) const {
        return bytes + signedSize() + index * SIGNATURE;
    }

    // What is signed, of which the hash of the file's start is a part. False: it did not fit.
    bool signedText(const uint8_t sha256[32], char* buffer, size_t capacity, size_t& size) const;
    const uint8_t* hashed() const { return bytes; }
    size_t signedSize() const { return SEALED_KEYS + keys() * SEALED_KEY + sealedSize(); }

    // Opens the entries with a key, in place, and returns them. nullptr: it does not open them.
    // Afterwards nothing but the entries is left.
    uint8_t* open(const uint8_t key[32]);
    size_t sealedSize() const { return half(52); }

  private:
    static constexpr size_t HEADER = 56;  // is additional data of all that is sealed
    static constexpr size_t SEALED_KEYS = 96;
    static constexpr size_t SEALED_KEY = 72;
    static constexpr size_t SIGNATURE = 64;

    const char* type() const { return reinterpret_cast<const char*>(bytes + 8); }
    const char* chip() const { return reinterpret_cast<const char*>(bytes + 40); }
    size_t keys() const { return half(54); }
    uint32_t word(size_t at) const { return half(at) | half(at + 2) << 16; }
    uint32_t half(size_t at) const { return bytes[at] | static_cast<uint32_t>(bytes[at + 1]) << 8; }

    uint8_t* bytes = nullptr;
    size_t length = 0;
};

}  // namespace esper
