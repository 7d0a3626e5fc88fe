#include <esper/RunRecord.h>

#include "check.h"

using namespace esper;

TEST(a_run_record_has_the_bits_of_the_specification) {
    CHECK_EQUAL((RunRecord{3, true, 2}.word()), 0x5AFE0503);
    CHECK_EQUAL((RunRecord{0, false, 0}.word()), 0x5AFE0000);
    const RunRecord read = RunRecord::of(0x5AFE0304);
    CHECK_EQUAL(read.crashes, 4);
    CHECK(read.running);
    CHECK_EQUAL(read.trial, 1);
}

TEST(a_run_record_of_an_older_firmware_is_read) {
    const RunRecord read = RunRecord::of(0x5AFE0005);
    CHECK_EQUAL(read.crashes, 5);
    CHECK(!read.running);
    CHECK_EQUAL(read.trial, 0);
}

TEST(what_a_power_cut_leaves_is_no_run_record) {
    for (const uint32_t word :
         {0u, 0xFFFFFFFFu, 0x5AFE0006u, 0x5AFE0600u, 0x5AFE0800u, 0x5AFF0001u, 0xDAFE0001u}) {
        const RunRecord read = RunRecord::of(word);
        CHECK_EQUAL(read.crashes, 0);
        CHECK(!read.running);
        CHECK_EQUAL(read.trial, 0);
    }
}
