#include "Timer.h"

#include "Blocked.h"

namespace esper {

void Timer::run(void* timer) {
    const Timer& t = *static_cast<const Timer*>(timer);
    const Blocked watch;
    t.function(t.object);
}

}  // namespace esper
