#include "Calendar.h"

namespace esper {

namespace {

// Dates and numbers of days by Howard Hinnant's algorithms, for days since 1970: years begin in
// March here, so that the leap day is a year's last one.

constexpr uint32_t EPOCH = 719468;  // 1970-01-01, in days since 0000-03-01
constexpr uint32_t ERA = 146097;    // days in 400 years

struct Date {
    uint32_t year, month, day;
};

Date dateOf(uint32_t days) {
    const uint32_t sinceMarch = days + EPOCH;
    const uint32_t era = sinceMarch / ERA;
    const uint32_t ofEra = sinceMarch % ERA;
    const uint32_t year = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
    const uint32_t ofYear = ofEra - (365 * year + year / 4 - year / 100);
    const uint32_t month = (5 * ofYear + 2) / 153;  // 0: March
    const bool turned = month >= 10;
    return {era * 400 + year + turned, turned ? month - 9 : month + 3,
            ofYear - (153 * month + 2) / 5 + 1};
}

uint32_t daysUntil(Date date) {
    const bool turned = date.month <= 2;
    const uint32_t year = date.year - turned;
    const uint32_t month = turned ? date.month + 9 : date.month - 3;
    const uint32_t ofEra = year % 400;
    const uint32_t ofYear = (153 * month + 2) / 5 + date.day - 1;
    return year / 400 * ERA + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - EPOCH;
}

uint32_t weekdayOf(uint32_t days) {
    return (days + 4) % 7;  // 1970 began with a Thursday
}

// Seconds from the start of the year to the change, in the time before it.
int32_t changeOf(uint32_t year, uint32_t newYear, const Zone::Change& change) {
    const uint32_t month = change.month;
    const uint32_t first = daysUntil({year, month, 1});
    const uint32_t next = month < 12 ? daysUntil({year, month + 1, 1}) : first + 31;
    uint32_t day = first + (change.weekday + 7 - weekdayOf(first)) % 7 + 7u * (change.week - 1u);
    if (day >= next) {
        day -= 7;  // the last one is the fourth
    }
    return static_cast<int32_t>((day - newYear) * calendar::DAY) + change.seconds;
}

bool daylightAt(uint32_t utc, const Zone& zone) {
    if (zone.toDaylight.month == 0) {
        return false;
    }
    // All in standard time.
    const uint32_t now = utc + static_cast<uint32_t>(zone.standard);
    const uint32_t year = dateOf(now / calendar::DAY).year;
    const uint32_t newYear = daysUntil({year, 1, 1});
    const int32_t since = static_cast<int32_t>(now - newYear * calendar::DAY);
    const int32_t begin = changeOf(year, newYear, zone.toDaylight);
    const int32_t end = changeOf(year, newYear, zone.toStandard) - (zone.daylight - zone.standard);
    // In the south it is daylight saving time at both ends of the year.
    return begin <= end ? since >= begin && since < end : since >= begin || since < end;
}

uint32_t shifted(uint32_t utc, const Zone& zone, bool daylight) {
    return utc + static_cast<uint32_t>(daylight ? zone.daylight : zone.standard);
}

}  // namespace

uint32_t calendar::local(uint32_t utc, const Zone& zone) {
    return shifted(utc, zone, daylightAt(utc, zone));
}

LocalTime calendar::date(uint32_t utc, const Zone& zone) {
    const bool daylight = daylightAt(utc, zone);
    const uint32_t local = shifted(utc, zone, daylight);
    const uint32_t days = local / DAY;
    const uint32_t time = local % DAY;
    const Date date = dateOf(days);
    LocalTime out;
    out.year = static_cast<uint16_t>(date.year);
    out.month = static_cast<uint8_t>(date.month);
    out.day = static_cast<uint8_t>(date.day);
    out.hour = static_cast<uint8_t>(time / 3600);
    out.minute = static_cast<uint8_t>(time / 60 % 60);
    out.second = static_cast<uint8_t>(time % 60);
    out.weekday = static_cast<uint8_t>(weekdayOf(days));
    out.daylight = daylight;
    return out;
}

// The first time of day from a moment on.
uint32_t TimeOfDay::following(uint32_t local) const {
    const uint32_t today = local - local % calendar::DAY + second;
    return today >= local ? today : today + calendar::DAY;
}

bool TimeOfDay::come(uint32_t utc, uint32_t local) {
    constexpr uint32_t CORRECTION = 3600;  // at most
    const bool jumped = last == 0 || utc - last + CORRECTION > 2 * CORRECTION;
    last = utc;
    if (jumped) {
        next = following(local);
    }
    if (local < next) {
        return false;
    }
    next = following(local + 1);
    return true;
}

}  // namespace esper
