#include "Sealing.h"

#include <monocypher.h>

namespace esper {

bool unseal(uint8_t* out, const uint8_t* sealed, size_t size, const uint8_t key[32],
            const uint8_t nonce[24], const uint8_t mac[16], const uint8_t* additional,
            size_t additionalSize) {
    return crypto_aead_unlock(out, mac, key, nonce, additional, additionalSize, sealed, size) == 0;
}

}  // namespace esper
