#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// Opens what was sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), which may be in
// place. False: not with this key, nonce (24 bytes), MAC (16 bytes) and additional data.
bool unseal(uint8_t* out, const uint8_t* sealed, size_t size, const uint8_t key[32],
            const uint8_t nonce[24], const uint8_t mac[16], const uint8_t* additional,
            size_t additionalSize);

}  // namespace esper
