#include "image.h"

#include "configuration.h"
#include "esper/Sha256.h"
#include "rom.h"

using namespace esper;

namespace {

constexpr uint32_t HEADER_SIZE = 16;
constexpr uint32_t TRAILER_SIZE = Sha256::SIZE;

bool within(uint32_t address, uint32_t size, uint32_t from, uint32_t to) {
    return address >= from && address <= to && size <= to - address;
}

// Where a firmware's segments may lie: below the bootloader, which is loading them.
bool inRam(uint32_t address, uint32_t size) {
    return within(address, size, 0x3FFE8000, 0x3FFFA000) ||
           within(address, size, 0x40100000, 0x40108000);
}

// Goes through the RAM segments, and loads them if it is told to. Returns the entry address,
// or 0 if one is not where it may be.
uint32_t segments(const Image& image, bool loading) {
    const uint32_t end = image.descriptor.size - TRAILER_SIZE;
    uint32_t header[4];
    if (SPIRead(image.address, header, sizeof header) != 0) return 0;
    const uint32_t iromSize = header[3];
    if (iromSize % 16 != 0 || iromSize > end - HEADER_SIZE) return 0;

    uint32_t at = HEADER_SIZE + iromSize;
    struct {
        uint8_t magic;
        uint8_t count;
        uint8_t flash[2];
        uint32_t entry;
    } standard;
    if (end - at < sizeof standard) return 0;
    if (SPIRead(image.address + at, &standard, sizeof standard) != 0) return 0;
    if (standard.magic != 0xE9 || standard.count < 1 || standard.count > 8) return 0;
    at += sizeof standard;

    for (uint32_t i = 0; i < standard.count; i++) {
        struct {
            uint32_t address;
            uint32_t size;
        } segment;
        if (end - at < sizeof segment) return 0;
        if (SPIRead(image.address + at, &segment, sizeof segment) != 0) return 0;
        at += sizeof segment;
        if (segment.address % 4 != 0 || segment.size % 4 != 0) return 0;
        if (segment.size > end - at || !inRam(segment.address, segment.size)) return 0;
        void* const ram = reinterpret_cast<void*>(segment.address);
        if (loading && SPIRead(image.address + at, ram, segment.size) != 0) return 0;
        at += segment.size;
    }
    return standard.entry;
}

// Returns 0 only if the trailer is the SHA-256 of all before it.
uint32_t difference(const Image& image) {
    static uint32_t chunk[1024];
    Sha256 sha;
    uint32_t at = image.address;
    const uint32_t trailer = image.address + image.descriptor.size - TRAILER_SIZE;
    while (at < trailer) {
        const uint32_t size = trailer - at < sizeof chunk ? trailer - at : sizeof chunk;
        if (SPIRead(at, chunk, size) != 0) return 1;
        sha.update(chunk, size);
        at += size;
        feedWatchdog();
    }
    uint8_t computed[Sha256::SIZE];
    sha.finish(computed);
    if (SPIRead(trailer, chunk, TRAILER_SIZE) != 0) return 1;
    const uint8_t* stored = reinterpret_cast<const uint8_t*>(chunk);
    uint32_t bits = 0;
    for (uint32_t i = 0; i < Sha256::SIZE; i++) bits |= computed[i] ^ stored[i];
    return bits;
}

}  // namespace

void read(Image& image, uint32_t slot) {
    image.slot = slot;
    image.verdict = 0;
    image.address = SLOT_ADDRESS[slot];
    Descriptor& d = image.descriptor;
    if (SPIRead(image.address + HEADER_SIZE, &d, sizeof d) != 0) d.magic = 0;
    d.device[sizeof d.device - 1] = 0;
    d.version[sizeof d.version - 1] = 0;
}

void verify(Image& image) {
    const Descriptor& d = image.descriptor;
    constexpr uint32_t SMALLEST = HEADER_SIZE + sizeof d + TRAILER_SIZE;

    image.verdict = 0;
    image.refusal = "no firmware";
    if (d.magic != Descriptor::MAGIC || d.format != Descriptor::FORMAT) return;
    image.refusal = "linked for the other slot";
    if (d.slot != image.slot) return;
    image.refusal = "impossible size";
    if (d.size > SLOT_SIZE || d.size <= SMALLEST || d.size % 16 != 0) return;
    image.refusal = "damaged, its SHA-256 is wrong";
    const uint32_t bits = difference(image);
    // What the checks compare goes into the verdict too, in case one is jumped over.
    const uint32_t verdict = opaque(bits) ^ opaque(d.slot) ^ opaque(image.slot) ^ VERIFIED;
    if (bits != 0) return;
    image.refusal = "its segments do not lie in the RAM for firmware";
    if (segments(image, false) != 0) image.verdict = verdict;
}

uint32_t load(const Image& image) {
    const uint32_t entry = segments(image, true);
    return entry == 0 ? 0 : entry ^ opaque(image.verdict) ^ opaque(VERIFIED);
}
