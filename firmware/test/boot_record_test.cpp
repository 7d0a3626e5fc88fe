#include <esper/BootRecord.h>

#include "check.h"

using namespace esper;

namespace {

// As in SPEC 3, calculated by hand: a trial of slot 1 is wanted, slot 0 runs.
const uint32_t WANTED[3] = {0x2334AE68, 0x01000002, 0x3D};

}  // namespace

TEST(a_boot_record_has_the_bits_of_the_specification) {
    uint32_t words[3] = {1, 2, 3};
    BootRecord{BootRecord::TRIAL, 0, 0, 1}.put(words);
    CHECK_EQUAL(words[0], WANTED[0]);
    CHECK_EQUAL(words[1], WANTED[1]);
    CHECK_EQUAL(words[2], WANTED[2]);
    const BootRecord read = BootRecord::of(WANTED);
    CHECK_EQUAL(read.nextMode, 2);
    CHECK_EQUAL(read.lastMode, 0);
    CHECK_EQUAL(read.lastRom, 0);
    CHECK_EQUAL(read.tempRom, 1);
}

TEST(a_boot_record_with_a_flipped_bit_is_none) {
    for (unsigned bit = 0; bit < 72; bit++) {
        uint32_t words[3] = {WANTED[0], WANTED[1], WANTED[2]};
        words[bit / 32] ^= 1u << bit % 32;
        CHECK_EQUAL(BootRecord::of(words).nextMode, 0);
    }
}

TEST(what_fills_the_last_word_up_does_not_matter) {
    const uint32_t words[3] = {WANTED[0], WANTED[1], WANTED[2] | 0xABCDEF00};
    CHECK_EQUAL(BootRecord::of(words).nextMode, 2);
}
