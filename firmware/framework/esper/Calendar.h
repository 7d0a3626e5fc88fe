// Dates and times of day (SPEC 12.8). Knows nothing of the chip.
#pragma once

#include <stdint.h>

namespace esper {

// A time zone. All zeros: UTC. The build makes it of `time.zone` in the site.
struct Zone {
    // A yearly change of clocks: the n-th weekday of a month.
    struct Change {
        uint8_t month;    // 1 to 12; 0: clocks never change
        uint8_t week;     // 1 to 5; 5: the last one
        uint8_t weekday;  // 0 to 6: Sunday to Saturday
        int32_t seconds;  // from that day's midnight, in the time before the change
    };

    int32_t standard;  // seconds east of UTC
    int32_t daylight;
    Change toDaylight;
    Change toStandard;
};

// A date and a time of day, as clocks on the wall show them.
struct LocalTime {
    uint16_t year;    // 1970 to 2106
    uint8_t month;    // 1 to 12
    uint8_t day;      // 1 to 31
    uint8_t hour;     // 0 to 23
    uint8_t minute;   // 0 to 59
    uint8_t second;   // 0 to 59
    uint8_t weekday;  // 0 to 6: Sunday to Saturday
    bool daylight;    // daylight saving time
};

namespace calendar {

constexpr uint32_t DAY = 86400;  // seconds

// Seconds since 1970 by the zone's clocks. utc: seconds since 1970, of 1970-01-03 to 2106-02-05.
uint32_t local(uint32_t utc, const Zone& zone);

// The date and time of utc, in the same range, by the zone's clocks.
LocalTime date(uint32_t utc, const Zone& zone);

}  // namespace calendar

// Finds when a time of day comes, day by day, whatever the clock does.
class TimeOfDay {
  public:
    // hour: 0 to 23, minute: 0 to 59
    TimeOfDay(uint8_t hour, uint8_t minute) : second(3600u * hour + 60u * minute) {}

    // Whether the time has come since the call before; true once for each day. A time that clocks
    // jump over has come behind the jump, and one that they show twice the first time. So it is for
    // corrections of the clock of up to an hour. After a larger one, and at the first call, what
    // would have come before is left out. utc and local: seconds since 1970.
    bool come(uint32_t utc, uint32_t local);

  private:
    uint32_t following(uint32_t local) const;

    const uint32_t second;  // of the day
    uint32_t last = 0;      // utc at the call before; 0: there was none
    uint32_t next = 0;      // local time that is waited for
};

}  // namespace esper
