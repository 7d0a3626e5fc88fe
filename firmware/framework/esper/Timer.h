#pragma once

#include <osapi.h>
#include <stdint.h>

namespace esper {

// Makes a member function one that the SDK can call: bind<Type, &Type::method>.
template <typename Type, auto method>
void bind(void* object) {
    (static_cast<Type*>(object)->*method)();
}

// A timer of the SDK, as the framework uses it. Must not be moved. RAM: 20 bytes.
class SystemTimer {
  public:
    SystemTimer(void (*function)(void*), void* object) {
        ets_timer_setfn(&timer, function, object);
    }
    SystemTimer(const SystemTimer&) = delete;
    SystemTimer& operator=(const SystemTimer&) = delete;

    // At most 6870947 ms.
    void once(uint32_t milliseconds) { arm(milliseconds, false); }
    void repeat(uint32_t milliseconds) { arm(milliseconds, true); }
    void stop() { ets_timer_disarm(&timer); }

  private:
    void arm(uint32_t milliseconds, bool again) {
        ets_timer_disarm(&timer);
        ets_timer_arm_new(&timer, milliseconds, again, true);
    }

    ETSTimer timer = {};
};

// A timer for device code: that of the SDK, and it says on the serial line when the function blocks
// (Blocked.h). RAM: 28 bytes.
class Timer : public SystemTimer {
  public:
    Timer(void (*function)(void*), void* object)
        : SystemTimer(run, this), function(function), object(object) {}

  private:
    static void run(void* timer);

    void (*const function)(void*);
    void* const object;
};

}  // namespace esper
