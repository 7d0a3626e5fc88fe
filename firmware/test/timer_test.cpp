#include <esper/Timer.h>

#include "check.h"
#include "chip.h"

using namespace esper;

namespace {

unsigned calls;

void call(void*) {
    calls++;
}

}  // namespace

TEST(a_timetimer_takes_hours_and_days) {
    chip::reset();
    calls = 0;
    LongTimer timer(call, nullptr);
    for (const uint32_t seconds : {1u, 3599u, 3600u, 3601u, 100000u, 2592000u}) {
        calls = 0;
        timer.once(seconds);
        chip::run(1000ull * seconds - 1);
        CHECK_EQUAL(calls, 0u);
        chip::run(1);
        CHECK_EQUAL(calls, 1u);
        chip::run(3000ull * seconds);
        CHECK_EQUAL(calls, 1u);
    }
    calls = 0;
    timer.repeat(7201);
    chip::run(10 * 7201000ull);
    CHECK_EQUAL(calls, 10u);
    timer.repeat(10);
    chip::run(9999);
    timer.stop();
    chip::run(100000);
    CHECK_EQUAL(calls, 10u);
    chip::reset();
}

TEST(a_timer_takes_no_more_than_the_sdk) {
    chip::reset();
    Timer timer(call, nullptr);
    volatile uint32_t time = 4294967295;  // not known to the compiler
    timer.once(time);
    uint32_t after;
    chip::takeTimer(after);
    CHECK_EQUAL(after, Timer::LONGEST);
}
