#pragma once

#include <osapi.h>
#include <stdint.h>

namespace esper {

// Makes a member function one that the SDK can call: bind<Type, &Type::method>.
template <typename Type, void (Type::*method)()>
void bind(void* object) {
    (static_cast<Type*>(object)->*method)();
}

// A timer of the SDK. Must not be moved.
class Timer {
  public:
    Timer(void (*function)(void*), void* object) { ets_timer_setfn(&timer, function, object); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

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

}  // namespace esper
