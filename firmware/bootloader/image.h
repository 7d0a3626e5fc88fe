// The image in a slot (docs/SPEC.md, section 2).
#pragma once

#include "esper/Configuration.h"

struct Image {
    uint32_t slot;
    uint32_t address;  // of the slot
    Descriptor descriptor;
    const char* refusal;  // why it does not boot
};

// What verify() returns for an image that may be booted. No glitch and no forgotten return
// value looks like it.
constexpr uint32_t VERIFIED = 0x5C3A96E1;

// Hides from the compiler what it knows of a value, so that it keeps what is calculated
// with it. A check that was jumped over then leaves a wrong result behind.
inline uint32_t opaque(uint32_t value) {
    asm("" : "+r"(value));
    return value;
}

// Reads the descriptor of the image in a slot. It is not to be trusted yet.
void read(Image& image, uint32_t slot);

// Returns VERIFIED if the image is whole and its RAM segments lie where they may; else
// anything else, with the reason in image.refusal.
uint32_t verify(Image& image);

// Loads the RAM segments and returns the entry address, or 0 if it cannot.
uint32_t load(const Image& image);
