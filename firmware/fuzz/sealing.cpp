// Stands in for Monocypher where a program does without it. It opens what has a nonce that
// begins with the MAC.
#include "esper/Sealing.h"

#include <cstring>

__attribute__((weak)) bool esper::unseal(uint8_t* out, const uint8_t* sealed, size_t size,
                                         const uint8_t key[32], const uint8_t nonce[24],
                                         const uint8_t mac[16], const uint8_t*, size_t) {
    if (memcmp(mac, nonce, 16) != 0) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = static_cast<uint8_t>(sealed[i] ^ key[i % 32]);
    }
    return true;
}
