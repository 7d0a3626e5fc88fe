#include "Ed25519.h"

// All of Monocypher: its arithmetic on the curve is static. What is not used is not linked.
#include <monocypher.c>

namespace esper {

namespace {

static_assert(sizeof(ge) == 40 * 4 && sizeof(ge_cached) == sizeof(ge), "the points in Ed25519.h");
static_assert(sizeof(slide_ctx) <= 8, "the slides in Ed25519.h");

constexpr int BITS_A_STEP = 10;

}  // namespace

void Ed25519::begin(const uint8_t newSignature[64], const uint8_t newKey[32], const uint8_t k[64]) {
    signature = newSignature;
    key = newKey;
    crypto_eddsa_reduce(scalar, k);
    stage = Stage::KEY;
}

uint32_t Ed25519::step() {
    switch (stage) {
        case Stage::KEY:
            stage = Stage::R;
            return readKey();
        case Stage::R:
            stage = Stage::SUM;
            return readR();
        case Stage::SUM:
            add();
            return UNDECIDED;
        case Stage::COMPARISON:
            return compare();
    }
    return INVALID;
}

// Makes the table of A's multiples, negated.
uint32_t Ed25519::readKey() {
    ge point, twice, temporary;
    if (ge_frombytes_neg_vartime(&point, key) != 0) {
        return INVALID;
    }
    ge_cached* const multiples = reinterpret_cast<ge_cached*>(table);
    ge_cache(&multiples[0], &point);
    ge_double(&twice, &point, &temporary);
    for (int i = 1; i < WINDOW; i++) {
        ge_add(&point, &twice, &multiples[i - 1]);
        ge_cache(&multiples[i], &point);
    }
    return UNDECIDED;
}

uint32_t Ed25519::readR() {
    const uint8_t* const s = signature + 32;
    uint32_t words[8];
    load32_le_buf(words, s, 8);
    ge point;
    if (is_above_l(words) || ge_frombytes_neg_vartime(&point, signature) != 0) {
        return INVALID;
    }
    ge_cache(reinterpret_cast<ge_cached*>(minusR), &point);

    slide_ctx* const ofS = reinterpret_cast<slide_ctx*>(slides[0]);
    slide_ctx* const ofK = reinterpret_cast<slide_ctx*>(slides[1]);
    slide_init(ofS, s);
    slide_init(ofK, scalar);
    bit = ofS->next_check > ofK->next_check ? ofS->next_check : ofK->next_check;
    ge_zero(reinterpret_cast<ge*>(sum));
    return UNDECIDED;
}

// Adds up [S]B - [k]A, from the highest bit on.
void Ed25519::add() {
    const ge_cached* const multiples = reinterpret_cast<const ge_cached*>(table);
    ge* const total = reinterpret_cast<ge*>(sum);
    ge temporary;
    fe a, b;
    for (int i = 0; i < BITS_A_STEP && bit >= 0; i++, bit--) {
        ge_double(total, total, &temporary);
        const int k = slide_step(reinterpret_cast<slide_ctx*>(slides[1]), P_W_WIDTH, bit, scalar);
        const int s =
            slide_step(reinterpret_cast<slide_ctx*>(slides[0]), B_W_WIDTH, bit, signature + 32);
        if (k > 0) {
            ge_add(total, total, &multiples[k / 2]);
        } else if (k < 0) {
            ge_sub(total, total, &multiples[-k / 2]);
        }
        if (s > 0) {
            ge_madd(total, total, &b_window[s / 2], a, b);
        } else if (s < 0) {
            ge_msub(total, total, &b_window[-s / 2], a, b);
        }
    }
    if (bit < 0) {
        stage = Stage::COMPARISON;
    }
}

// The eightfold of the sum less R must be the neutral element, which is encoded as 1. The
// result is calculated rather than decided, so that no branch can be jumped over.
uint32_t Ed25519::compare() {
    ge* const total = reinterpret_cast<ge*>(sum);
    ge temporary;
    ge_add(total, total, reinterpret_cast<const ge_cached*>(minusR));
    for (int i = 0; i < 3; i++) {
        ge_double(total, total, &temporary);
    }
    uint8_t encoded[32];
    ge_tobytes(encoded, total);
    uint32_t words[8];
    load32_le_buf(words, encoded, 8);
    uint32_t difference = words[0] ^ 1;
#pragma GCC unroll 8
    for (int i = 1; i < 8; i++) {
        difference |= words[i];
    }
    return VALID ^ difference;
}

}  // namespace esper
