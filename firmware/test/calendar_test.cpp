#include <esper/Calendar.h>

#include <vector>

#include "check.h"

using namespace esper;

namespace {

constexpr Zone BERLIN = {3600, 7200, {3, 5, 0, 7200}, {10, 5, 0, 10800}};
// Clocks change at midnight, to 1:00 and back to 23:00 (Paraguay did so).
constexpr Zone ASUNCION = {-14400, -10800, {10, 1, 0, 0}, {3, 4, 0, 0}};

constexpr uint32_t MARCH_28 = 1774652400;    // 2026-03-28 0:00 in Berlin; a day later 2:00 to 3:00
constexpr uint32_t OCTOBER_24 = 1792792800;  // 2026-10-24 0:00 in Berlin; a day later 3:00 to 2:00

// When the time comes, from one moment to another, asked each step.
std::vector<uint32_t> calls(TimeOfDay time, const Zone& zone, uint32_t from, uint32_t to,
                            uint32_t step = 1) {
    std::vector<uint32_t> all;
    for (uint32_t now = from; now < to; now += step) {
        if (time.come(now, calendar::local(now, zone))) {
            all.push_back(now);
        }
    }
    return all;
}

std::string clock(uint32_t utc, const Zone& zone) {
    const LocalTime t = calendar::date(utc, zone);
    return std::to_string(t.day) + " " + std::to_string(t.hour) + ":" + std::to_string(t.minute) +
           ":" + std::to_string(t.second);
}

}  // namespace

TEST(a_time_of_day_comes_once_a_day) {
    const auto all = calls(TimeOfDay(7, 30), BERLIN, MARCH_28, MARCH_28 + 3 * 86400);
    CHECK_EQUAL(all.size(), 3u);
    CHECK_EQUAL(clock(all[0], BERLIN), "28 7:30:0");
    CHECK_EQUAL(clock(all[1], BERLIN), "29 7:30:0");
    CHECK_EQUAL(clock(all[2], BERLIN), "30 7:30:0");
    CHECK_EQUAL(all[1] - all[0], 23 * 3600u);
}

TEST(a_time_that_clocks_jump_over_comes_behind_the_jump) {
    const auto all = calls(TimeOfDay(2, 30), BERLIN, MARCH_28, MARCH_28 + 3 * 86400);
    CHECK_EQUAL(all.size(), 3u);
    CHECK_EQUAL(clock(all[0], BERLIN), "28 2:30:0");
    CHECK_EQUAL(clock(all[1], BERLIN), "29 3:0:0");
    CHECK_EQUAL(clock(all[2], BERLIN), "30 2:30:0");
}

TEST(a_time_that_clocks_show_twice_comes_once) {
    const auto all = calls(TimeOfDay(2, 30), BERLIN, OCTOBER_24, OCTOBER_24 + 3 * 86400);
    CHECK_EQUAL(all.size(), 3u);
    CHECK_EQUAL(clock(all[1], BERLIN), "25 2:30:0");
    CHECK_EQUAL(calendar::date(all[1], BERLIN).daylight, true);
    CHECK_EQUAL(all[2] - all[1], 25 * 3600u);
}

// Whatever the time and the zone, there is one call for each date.
TEST(a_time_of_day_comes_each_day_for_years) {
    for (const Zone& zone : {BERLIN, ASUNCION}) {
        for (const uint8_t hour : {0, 1, 2, 3, 22, 23}) {
            const uint32_t from = 1767225600 + 12 * 3600;  // 2026-01-01 12:00
            const auto all = calls(TimeOfDay(hour, 30), zone, from, from + 731 * 86400, 600);
            CHECK_EQUAL(all.size(), 731u);
            for (size_t i = 1; i < all.size(); i++) {
                CHECK_EQUAL(calendar::local(all[i], zone) / 86400,
                            calendar::local(all[i - 1], zone) / 86400 + 1);
            }
        }
    }
}

TEST(a_device_that_starts_after_the_time_waits_for_the_next_day) {
    const auto all = calls(TimeOfDay(0, 0), BERLIN, MARCH_28 + 1, MARCH_28 + 86401);
    CHECK_EQUAL(all.size(), 1u);
    CHECK_EQUAL(clock(all[0], BERLIN), "29 0:0:0");
    CHECK_EQUAL(calls(TimeOfDay(0, 0), BERLIN, MARCH_28, MARCH_28 + 1).size(), 1u);
}

TEST(a_small_correction_of_the_clock_neither_loses_nor_doubles_a_call) {
    const auto come = [](TimeOfDay& time, uint32_t now) {
        return time.come(now, calendar::local(now, BERLIN));
    };
    const uint32_t noon = MARCH_28 + 12 * 3600;
    for (const uint32_t correction : {1u, 60u, 3600u}) {
        TimeOfDay time(12, 0);
        CHECK(!come(time, noon - correction));
        CHECK(come(time, noon));                // forward, over it
        CHECK(!come(time, noon - correction));  // and back
        CHECK(!come(time, noon));
        CHECK(!come(time, noon + 1));
    }
}

// Such as from 1970 to now.
TEST(a_large_correction_of_the_clock_makes_no_call) {
    const auto come = [](TimeOfDay& time, uint32_t now) {
        return time.come(now, calendar::local(now, BERLIN));
    };
    const uint32_t noon = MARCH_28 + 12 * 3600;
    TimeOfDay time(12, 0);
    CHECK(!come(time, 5 * 86400));
    CHECK(!come(time, noon + 1));
    CHECK(!come(time, noon - 2 * 3600));  // back: it is to come once more
    CHECK(!come(time, noon - 3600));
    CHECK(come(time, noon));
}
