// SHA-256 (FIPS 180-4), fed piece by piece. The bootloader uses it too.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

class Sha256 {
  public:
    static constexpr size_t SIZE = 32;  // bytes of a digest

    Sha256();

    // Adds the next bytes of the message, of which there may be up to 512 MB. The data
    // must not lie in flash.
    void update(const void* data, size_t size);

    // Writes the digest of all that was added. Nothing can be added after it.
    void finish(uint8_t digest[SIZE]);

  private:
    static constexpr size_t BLOCK = 64;

    void compress(const uint8_t* block);

    uint32_t state_[8];
    uint32_t size_ = 0;  // bytes added
    uint8_t block_[BLOCK] = {};
};

}  // namespace esper
