#pragma once

#include <stdint.h>

namespace esper {

// The running image as it would be in the standby slot: the words that are addresses lead there
// (SPEC 2.4).
class Relocation {
  public:
    // Reads an image that begins at these words; of one in flash only whole words can be read.
    // False: it has no relocation list.
    bool begin(const volatile uint32_t* image);

    // Bytes of the image, with its trailer.
    uint32_t size() const { return bytes; }

    // A word of the image; the offset in bytes is a multiple of 4, and not in the trailer.
    uint32_t word(uint32_t offset) const;

    // A word of the image as it runs.
    uint32_t original(uint32_t offset) const { return image[offset / 4]; }

  private:
    bool keeps(uint32_t offset) const;

    const volatile uint32_t* image;
    uint32_t bytes;
    uint32_t list;      // offset of the first word that stays, in bytes
    uint32_t count;     // of them
    uint32_t checksum;  // by which that of the RAM segments changes
};

}  // namespace esper
