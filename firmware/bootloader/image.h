// The image in a slot (docs/SPEC.md, section 2).
#pragma once

#include "esper/Configuration.h"

struct Image {
    uint32_t slot;
    uint32_t address;  // of the slot
    esper::Descriptor descriptor;
    const char* refusal;  // why it does not boot
    uint32_t verdict;     // VERIFIED, or anything else
};

// The verdict of an image that may be booted. No glitch looks like it.
constexpr uint32_t VERIFIED = 0x5C3A96E1;

// Hides from the compiler what it knows of a value, so that it keeps what is calculated
// with it. A check that was jumped over then leaves a wrong result behind.
inline uint32_t opaque(uint32_t value) {
    asm("" : "+r"(value));
    return value;
}

// Reads the descriptor of the image in a slot. It is not to be trusted yet, and has no verdict.
void read(Image& image, uint32_t slot);

// Gives the verdict: VERIFIED if the image is whole and its RAM segments lie where they may;
// else anything else, with the reason in image.refusal. It is kept with the image, so that
// one image cannot be verified and another started.
void verify(Image& image);

// Loads the RAM segments and returns the entry address, or 0 if it cannot. Without the
// verdict it returns an address where no code is.
uint32_t load(const Image& image);
