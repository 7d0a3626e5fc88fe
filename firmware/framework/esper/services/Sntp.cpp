#include "Sntp.h"

#include <sntp.h>

#include "../Clock.h"
#include "../Device.h"
#include "../Json.h"
#include "../Log.h"
#include "../Time.h"

namespace esper {

static constexpr uint32_t UNKNOWN = 1000;  // ms, from look to look while the time is not known
static constexpr uint32_t KNOWN = 60000;   // ms
static constexpr uint32_t TOLERANCE = 2;   // seconds
static constexpr uint32_t EARLIEST = 3 * calendar::DAY;  // of what Calendar is for

Sntp::Sntp(Device* device, const char* server)
    : Service(device), InfoPart(device), server(server), timer(bind<Sntp, &Sntp::look>, this) {}

// From then on the SDK asks by itself, each hour, and whenever nobody has answered.
void Sntp::onNetworkUp() {
    if (asking) {
        return;
    }
    asking = true;
    sntp_set_timezone(0);
    sntp_setservername(0, const_cast<char*>(server));
    sntp_init();
    timer.repeat(UNKNOWN);
}

void Sntp::onBrokerUp() {
    connected = Clock::seconds();
}

// What differs by a second or two is the same time: seconds begin at other moments there and here,
// and clocks drift. So what was reported stays.
void Sntp::look() {
    const uint32_t said = sntp_get_current_timestamp();
    if (said < EARLIEST) {
        return;
    }
    const uint32_t start = said - Clock::seconds();
    if (Time::known() && start - Time::start + TOLERANCE <= 2 * TOLERANCE) {
        return;
    }
    ESPER_LOG("time", "%u", static_cast<unsigned>(said));
    Time::start = start;
    timer.repeat(KNOWN);
    if (device->connected()) {
        device->reportInfo();
    }
}

void Sntp::write(Json& info) const {
    if (Time::known()) {
        info.number("startup", Time::start);
        info.number("connected", Time::start + connected);
    }
}

}  // namespace esper
