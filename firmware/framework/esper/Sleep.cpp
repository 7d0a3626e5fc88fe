#include "Sleep.h"

#include <user_interface.h>

#include "Clock.h"
#include "Configuration.h"
#include "Device.h"
#include "Json.h"
#include "Log.h"
#include "Reset.h"
#include "SafeMode.h"
#include "Settings.h"

namespace esper {

static constexpr uint32_t TICK = 100;              // ms
static constexpr uint8_t QUIET = 10;               // ticks, for what the broker has retained
static constexpr uint32_t PATIENCE = 60000;        // ms, without success
static constexpr uint32_t FAREWELL = 2000;         // ms
static constexpr uint32_t OTHER_SETTINGS = 30000;  // ms without the broker
static constexpr uint32_t MAX_BACKOFF = 3;         // doublings

Sleep::Sleep(Device* device, uint32_t seconds)
    : Service(device),
      InfoPart(device),
      record(SleepRecord::read()),
      patience(PATIENCE),
      timer(bind<Sleep, &Sleep::onTick>, this),
      waiting(device, Subscription::Scope::ONE, "update", "waiting",
              receive<Sleep, &Sleep::onWaiting>, this, true) {
    every(seconds);
    const bool woke = system_get_rst_info()->reason == REASON_DEEP_SLEEP_AWAKE;
    if (woke && record.left > 0) {
        state = State::DORMANT;
        device->dormant = true;
    }
    const uint32_t interval = configuration.updateInterval;
    due = !woke || !record.valid || (interval > 0 && record.sinceCheck >= interval);
    device->sleeps = true;
    timer.repeat(TICK);
}

void Sleep::every(uint32_t seconds) {
    const uint32_t least = seconds > 0 ? seconds : 1;
    rhythm = least < MAX_SECONDS ? least : MAX_SECONDS;
}

void Sleep::write(Json& info) const {
    info.number("sleep", rhythm);
}

void Sleep::onBrokerUp() {
    reached = true;
    quiet = 0;
}

// The check that follows a confirmation brings the other slot to the same release.
void Sleep::onConfirmed() {
    looked = false;
    due = true;
}

// Once in a wake: a server may not learn at once what has come of it.
void Sleep::onWaiting(const char* payload, size_t length) {
    if (length == 1 && payload[0] == '1' && !looked) {
        due = true;
    }
}

void Sleep::onTick() {
    switch (state) {
        case State::DORMANT:
            return sleep(record.left);
        case State::AWAKE:
            return work();
        case State::SAYING:
            if (device->settled()) {
                device->mqtt.disconnect();
                state = State::PARTING;
            }
            break;
        case State::PARTING:
            if (device->mqtt.empty()) {
                return depart();
            }
            break;
        case State::ASLEEP:
            return;
    }
    if (static_cast<int32_t>(Clock::milliseconds() - patience) >= 0) {
        depart();
    }
}

void Sleep::work() {
    const uint32_t now = Clock::milliseconds();
    if (needed()) {
        patience = now + PATIENCE;
    }
    look();
    retrySettings();
    if (device->settled()) {
        if (quiet < QUIET) {
            quiet++;
        } else if (!due && !needed() && !device->busy()) {
            return leave(true);
        }
    }
    if (static_cast<int32_t>(now - patience) >= 0) {
        leave(false);
    }
}

// Whether the device stays awake for as long as it takes.
bool Sleep::needed() const {
    return held || device->trying() ||
           (device->checker != nullptr && device->checker->installing());
}

void Sleep::look() {
    if (device->checker == nullptr) {
        due = false;
    } else if (due && network && !device->trying() && !device->busy()) {
        due = false;
        looked = true;
        lookedAt = Clock::seconds();
        device->checker->look();
    }
}

// Settings that were rejected are the way back if those that are used do not work any more (SPEC
// 12.3). A wake ends before Trial tries them by itself.
void Sleep::retrySettings() {
    const bool turn = record.misses % 4 == 3;
    if (turn && !retried && !reached && Clock::milliseconds() >= OTHER_SETTINGS &&
        Settings::candidate() == Settings::Candidate::REJECTED) {
        retried = true;
        device->trySettings();
    }
}

void Sleep::leave(bool orderly) {
    healthy = orderly;
    if (!device->connected()) {
        return depart();
    }
    device->say("SLEEPING");
    state = State::SAYING;
    patience = Clock::milliseconds() + FAREWELL;
}

void Sleep::depart() {
    const uint32_t awake = Clock::seconds();
    record.misses = reached ? 0 : record.misses + 1;
    const uint32_t doublings = record.misses < MAX_BACKOFF ? record.misses : MAX_BACKOFF;
    const uint32_t length = (rhythm << doublings) - awake % rhythm;
    record.sinceCheck = (looked ? awake - lookedAt : record.sinceCheck + awake) + length;
    if (healthy) {
        SafeMode::healthy();
    }
    ESPER_INFO("sleep", "%u s", static_cast<unsigned>(length));
    Reset::prepare(length);
    sleep(length);
}

// The RTC counts 2^31 of its ticks at most. The calibration is the length of one, in 4096ths of a
// microsecond, so half of it is 2^31 ticks in seconds, less 5 % for a tick that gets shorter.
void Sleep::sleep(uint32_t seconds) {
    const uint32_t longest = system_rtc_clock_cali_proc() / 2;
    const uint32_t part = seconds < longest ? seconds : longest;
    record.left = seconds - part;
    record.write();
    state = State::ASLEEP;
    system_deep_sleep(uint64_t{part} * 1000000);
}

}  // namespace esper
