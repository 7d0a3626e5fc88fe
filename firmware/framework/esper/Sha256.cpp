#include "esper/Sha256.h"

#include <string.h>

namespace esper {

namespace {

// FIPS 180-4, section 4.2.2.
constexpr uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

constexpr uint32_t INITIAL[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

inline uint32_t rotate(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

inline uint32_t swapped(uint32_t x) {
    return x << 24 | (x & 0xFF00) << 8 | (x >> 8 & 0xFF00) | x >> 24;
}

// The small sigmas of section 4.1.2.
inline uint32_t sigma(uint32_t x, int r, int s, int shift) {
    return rotate(x, r) ^ rotate(x, s) ^ x >> shift;
}

// One round of section 6.2.2, step 3. Instead of moving all eight variables on by one, it
// leaves the new a in h; its callers name them in turn.
[[gnu::always_inline]] inline void round(uint32_t a, uint32_t b, uint32_t c, uint32_t& d,
                                         uint32_t e, uint32_t f, uint32_t g, uint32_t& h,
                                         uint32_t kw) {
    h += (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (((f ^ g) & e) ^ g) + kw;
    d += h;
    h += (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (((a | b) & c) | (a & b));
}

}  // namespace

Sha256::Sha256() {
    memcpy(state_, INITIAL, sizeof state_);
}

void Sha256::update(const void* data, size_t size) {
    const uint8_t* bytes = static_cast<const uint8_t*>(data);
    const size_t held = size_ % BLOCK;
    size_ += size;
    if (held != 0) {
        const size_t missing = BLOCK - held;
        memcpy(block_ + held, bytes, size < missing ? size : missing);
        if (size < missing) return;
        compress(block_);
        bytes += missing;
        size -= missing;
    }
    for (; size >= BLOCK; bytes += BLOCK, size -= BLOCK) compress(bytes);
    memcpy(block_, bytes, size);
}

void Sha256::finish(uint8_t digest[SIZE]) {
    size_t held = size_ % BLOCK;
    block_[held++] = 0x80;
    memset(block_ + held, 0, BLOCK - held);
    if (held > BLOCK - 8) {
        compress(block_);
        memset(block_, 0, BLOCK);
    }
    // The length in bits, 64 bits big endian, of which 32 are enough here.
    for (int i = 0; i < 4; i++) block_[BLOCK - 1 - i] = uint8_t(size_ << 3 >> 8 * i);
    compress(block_);
    for (size_t i = 0; i < SIZE; i++) digest[i] = uint8_t(state_[i / 4] >> (24 - 8 * (i % 4)));
}

void Sha256::compress(const uint8_t* block) {
    // The whole message schedule first: then what a round needs fits the registers.
    uint32_t w[64];
    memcpy(w, block, BLOCK);  // whole words, whatever the alignment
    for (int t = 0; t < 16; t++) w[t] = swapped(w[t]);
    for (uint32_t* v = w; v != w + 48; v++) {
        v[16] = v[0] + sigma(v[1], 7, 18, 3) + v[9] + sigma(v[14], 17, 19, 10);
    }

    uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
    uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
    const uint32_t* k = K;
    for (const uint32_t* v = w; v != w + 64; v += 8, k += 8) {
        round(a, b, c, d, e, f, g, h, k[0] + v[0]);
        round(h, a, b, c, d, e, f, g, k[1] + v[1]);
        round(g, h, a, b, c, d, e, f, k[2] + v[2]);
        round(f, g, h, a, b, c, d, e, k[3] + v[3]);
        round(e, f, g, h, a, b, c, d, k[4] + v[4]);
        round(d, e, f, g, h, a, b, c, k[5] + v[5]);
        round(c, d, e, f, g, h, a, b, k[6] + v[6]);
        round(b, c, d, e, f, g, h, a, k[7] + v[7]);
    }

    const uint32_t result[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) state_[i] += result[i];
}

}  // namespace esper
