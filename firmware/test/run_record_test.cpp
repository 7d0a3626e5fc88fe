#include <esper/RunRecord.h>
#include <esper/SleepRecord.h>

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

TEST(a_sleep_record_has_the_words_of_the_specification) {
    uint32_t words[SleepRecord::WORDS] = {1, 2, 3, 4};
    SleepRecord{true, 3600, 2, 50000}.put(words);
    CHECK_EQUAL(words[0], 0x02000E10u);
    CHECK_EQUAL(words[1], 0x02000E10u ^ 50000u ^ 0x51EE9000u);
    CHECK_EQUAL(words[2], 3u);  // is another record's
    CHECK_EQUAL(words[3], 50000u);
    const SleepRecord read = SleepRecord::of(words);
    CHECK(read.valid);
    CHECK_EQUAL(read.sinceCheck, 3600u);
    CHECK_EQUAL(read.misses, 2u);
    CHECK_EQUAL(read.left, 50000u);
}

TEST(a_sleep_record_holds_no_more_than_fits) {
    uint32_t words[SleepRecord::WORDS];
    SleepRecord{true, 0x1000000, 256, UINT32_MAX}.put(words);
    const SleepRecord read = SleepRecord::of(words);
    CHECK_EQUAL(read.sinceCheck, SleepRecord::MAX_SECONDS);
    CHECK_EQUAL(read.misses, SleepRecord::MAX_MISSES);
    CHECK_EQUAL(read.left, UINT32_MAX);
}

// None of the words may change alone.
TEST(what_a_power_cut_leaves_is_no_sleep_record) {
    const uint32_t zeros[SleepRecord::WORDS] = {};
    CHECK(!SleepRecord::of(zeros).valid);
    for (const size_t word : {0, 1, 3}) {
        for (uint32_t bit = 1; bit != 0; bit <<= 1) {
            uint32_t words[SleepRecord::WORDS];
            SleepRecord{true, 3600, 2, 50000}.put(words);
            words[word] ^= bit;
            const SleepRecord read = SleepRecord::of(words);
            CHECK(!read.valid);
            CHECK_EQUAL(read.sinceCheck + read.misses + read.left, 0u);
        }
    }
}
