#pragma once

#include <stdint.h>

#include "Calendar.h"
#include "Timer.h"

namespace esper {

// The time, if the site has a [time] (SPEC 12.8): some seconds after the device has reached the
// network, and then right to 2 s as long as the server is. Nobody vouches for it, so nothing that
// protects the device may rest on it.
class Time {
  public:
    static bool known() { return start != 0; }

    // Seconds since 1970, UTC; seconds since the device started as long as it is not known.
    static uint32_t now();

    // The date and time in the site's zone, of now or of seconds since 1970. Not to be asked as
    // long as the time is not known.
    static LocalTime local() { return local(now()); }
    static LocalTime local(uint32_t utc);

  private:
    friend class Sntp;

    static uint32_t start;  // of the device, in seconds since 1970; 0: it is not known
};

// Calls a function each day at a time of day in the site's zone, within a second. What becomes of
// it when clocks change: see TimeOfDay. A device that starts after that time, or does not know the
// time then, waits for the next day. For devices that sleep it is of no use: each wake is a start.
//
//     Daily morning(7, 30, [](void*) { blinds.open(); });
class Daily {
  public:
    // hour: 0 to 23, minute: 0 to 59
    Daily(uint8_t hour, uint8_t minute, void (*function)(void*), void* object = nullptr)
        : time(hour, minute),
          function(function),
          object(object),
          timer(bind<Daily, &Daily::look>, this) {
        timer.repeat(1000);
    }

  private:
    void look();

    TimeOfDay time;
    void (*const function)(void*);
    void* const object;
    Timer timer;
};

// That of the site, written by the build.
extern const Zone zone;

}  // namespace esper
