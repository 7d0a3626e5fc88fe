#include <esper/Refusals.h>

#include <cstring>

#include "check.h"

using namespace esper;

TEST(a_refusal_names_its_release_and_why) {
    const Refusal made = Refusal::of("8a1b2c3d", 42, UpdateError::HUNG);
    CHECK(made.valid());
    CHECK(!made.erased());
    CHECK(made.names("8a1b2c3d", 42));
    CHECK(!made.names("8a1b2c3d", 43));
    CHECK(!made.names("8a1b2c3", 42));
    CHECK(made.reason() == UpdateError::HUNG);
    CHECK(Refusal::of("v", 1, UpdateError::CRASHED).reason() == UpdateError::CRASHED);
    CHECK(Refusal::of("v", 1, UpdateError::NOT_CONFIRMED).reason() == UpdateError::NOT_CONFIRMED);
}

TEST(a_refusal_has_the_bits_of_the_specification) {
    const Refusal made = Refusal::of("v2", 0x01020304, UpdateError::CRASHED);
    uint8_t bytes[64];
    memcpy(bytes, &made, sizeof(bytes));
    const uint8_t start[12] = {0x45, 0x52, 0x42, 0x4B, 4, 3, 2, 1, 'v', '2', 0, 0};
    CHECK(memcmp(bytes, start, sizeof(start)) == 0);
    CHECK_EQUAL(bytes[44], 1);
    for (size_t i = 48; i < 60; i++) {
        CHECK_EQUAL(bytes[i], 0);
    }
}

TEST(a_refusal_with_a_flipped_bit_is_skipped) {
    for (size_t bit = 0; bit < 512; bit++) {
        Refusal made = Refusal::of("8a1b2c3d", 42, UpdateError::HUNG);
        reinterpret_cast<uint8_t*>(&made)[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK(!made.valid());
    }
}

TEST(an_erased_place_is_none) {
    Refusal place;
    memset(&place, 0xFF, sizeof(place));
    CHECK(place.erased());
    CHECK(!place.valid());
    memset(&place, 0, sizeof(place));
    CHECK(!place.erased());
    CHECK(!place.valid());
}
