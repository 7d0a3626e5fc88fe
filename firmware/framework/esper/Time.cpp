#include "Time.h"

#include "Clock.h"

namespace esper {

uint32_t Time::start = 0;

uint32_t Time::now() {
    return start + Clock::seconds();
}

LocalTime Time::local(uint32_t utc) {
    return calendar::date(utc, zone);
}

void Daily::look() {
    if (Time::known() && time.come(Time::now(), calendar::local(Time::now(), zone))) {
        function(object);
    }
}

}  // namespace esper
