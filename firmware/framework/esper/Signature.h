#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Ed25519.h"

namespace esper {

// Begins to check whether this key signed the message, as strictly as SPEC 5 wants it. False:
// it did not. Signature and key must outlive the check.
bool beginSignature(Ed25519& check, const void* message, size_t length, const uint8_t signature[64],
                    const uint8_t key[32]);

// Ed25519 (RFC 8032, 5.1.7), as strict as SPEC 5 wants it: whether this key signed the message.
bool verifySignature(const void* message, size_t length, const uint8_t signature[64],
                     const uint8_t key[32]);

// What a release's signature is over (SPEC 5).
struct SignedText {
    const char* device;
    const char* version;
    uint32_t sequence;
    uint32_t slot;
    const uint8_t* sha256;  // 32 bytes

    // Begins to check whether this key signed this text. False: it did not.
    bool begin(Ed25519& check, const uint8_t signature[64], const uint8_t key[32]) const;
};

}  // namespace esper
