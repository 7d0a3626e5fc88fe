#pragma once

#include <osapi.h>
#include <stdint.h>

namespace esper {

// Makes a member function one that the SDK can call: bind<Type, &Type::method>.
template <typename Type, auto method>
void bind(void* object) {
    (static_cast<Type*>(object)->*method)();
}

[[gnu::error("a Timer takes at most 6870947 ms, 114 minutes: a LongTimer counts seconds")]] void
timeTooLong();

// A timer of the SDK, as the framework uses it: it calls a function, in the context of all device
// code, after a time or again and again. Must not be moved. Costs 20 bytes, and nothing while it
// runs.
class SystemTimer {
  public:
    static constexpr uint32_t LONGEST = 6870947;  // ms

    SystemTimer(void (*function)(void*), void* object) {
        ets_timer_setfn(&timer, function, object);
    }
    SystemTimer(const SystemTimer&) = delete;
    SystemTimer& operator=(const SystemTimer&) = delete;

    // In ms, from 1 to LONGEST; a time beyond that is refused by the compiler if it knows it, else
    // it is LONGEST. A call replaces the one before.
    [[gnu::always_inline]] void once(uint32_t milliseconds) {
        check(milliseconds);
        arm(milliseconds, false);
    }
    [[gnu::always_inline]] void repeat(uint32_t milliseconds) {
        check(milliseconds);
        arm(milliseconds, true);
    }
    void stop() { ets_timer_disarm(&timer); }

  private:
    [[gnu::always_inline]] static void check(uint32_t milliseconds) {
        const bool tooLong = milliseconds > LONGEST;
        if (__builtin_constant_p(tooLong) && tooLong) {
            timeTooLong();
        }
    }

    void arm(uint32_t milliseconds, bool again) {
        if (milliseconds > LONGEST) {
            milliseconds = LONGEST;
        }
        ets_timer_disarm(&timer);
        ets_timer_arm_new(&timer, milliseconds, again, true);
    }

    ETSTimer timer = {};
};

// A timer for device code. It also says on the serial line when the function blocks (Blocked.h).
// Costs 28 bytes.
class Timer : public SystemTimer {
  public:
    Timer(void (*function)(void*), void* object)
        : SystemTimer(run, this), function(function), object(object) {}

  private:
    static void run(void* timer);

    void (*const function)(void*);
    void* const object;
};

// A timer for hours and days. Must not be moved. Costs 44 bytes.
class LongTimer {
  public:
    LongTimer(void (*function)(void*), void* object)
        : function(function), object(object), timer(bind<LongTimer, &LongTimer::pass>, this) {}

    // In seconds, from 1 to 4294967295, 136 years. A call replaces the one before.
    void once(uint32_t seconds) { start(seconds, 0); }
    void repeat(uint32_t seconds) { start(seconds, seconds); }
    void stop() { timer.stop(); }

  private:
    static constexpr uint32_t PART = 3600;  // s

    void start(uint32_t seconds, uint32_t again) {
        left = seconds;
        period = again;
        go();
    }

    void go() {
        const uint32_t part = left < PART ? left : PART;
        left -= part;
        timer.once(part * 1000);
    }

    void pass() {
        if (left > 0) {
            go();
            return;
        }
        if (period > 0) {
            start(period, period);
        }
        function(object);
    }

    void (*const function)(void*);
    void* const object;
    uint32_t left = 0;    // s
    uint32_t period = 0;  // s; 0: once
    Timer timer;
};

}  // namespace esper
