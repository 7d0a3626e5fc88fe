// Answers what dates and times the device makes of moments, for differential_calendar_test.go.
#include <esper/Calendar.h>

#include <cstdio>
#include <string>

#include "fuzz.h"

using namespace esper;

namespace {

int32_t word(const uint8_t*& data) {
    int32_t value;
    memcpy(&value, data, sizeof value);
    data += sizeof value;
    return value;
}

Zone::Change change(const uint8_t*& data) {
    Zone::Change out;
    out.month = static_cast<uint8_t>(word(data));
    out.week = static_cast<uint8_t>(word(data));
    out.weekday = static_cast<uint8_t>(word(data));
    out.seconds = word(data);
    return out;
}

}  // namespace

// The input is words: a zone's offsets and changes, then moments.
std::string answer(char, const uint8_t* data, size_t size) {
    const uint8_t* const end = data + size;
    Zone zone;
    zone.standard = word(data);
    zone.daylight = word(data);
    zone.toDaylight = change(data);
    zone.toStandard = change(data);
    std::string out;
    while (data < end) {
        const LocalTime t = calendar::date(static_cast<uint32_t>(word(data)), zone);
        char line[64];
        snprintf(line, sizeof line, "%04u-%02u-%02u %02u:%02u:%02u %u %d,", t.year, t.month, t.day,
                 t.hour, t.minute, t.second, t.weekday, t.daylight);
        out += line;
    }
    return out;
}
