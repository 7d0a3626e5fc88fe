#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// SHA-512 (FIPS 180-4), for Ed25519.
class Sha512 {
  public:
    Sha512();
    void update(const void* data, size_t length);
    void finish(uint8_t out[64]);

  private:
    void block(const uint8_t* data);

    uint64_t state[8];
    uint32_t total = 0;  // bytes
    uint8_t pending[128];
};

}  // namespace esper
