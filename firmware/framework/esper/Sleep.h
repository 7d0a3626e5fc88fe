#pragma once

#include <stdint.h>

#include "Service.h"
#include "SleepRecord.h"
#include "Timer.h"
#include "services/Info.h"

namespace esper {

class Device;

// Makes the device one that sleeps (SPEC 7.7): it wakes every so many seconds, connects, publishes
// the state of its features, looks for an update when that is due, and sleeps again, deeply, as a
// battery wants it. GPIO16 must be connected to the reset pin, or it never wakes.
//
//     Device device;
//     Sensor<TEMPERATURE, readTemperature> temperature(&device);
//     Sleep sleep(&device, 600);
//
// Each wake is a start: variables begin anew, but for those that are kept in the flash, and timers
// of more than some seconds never come. A feature whose measurement takes a while says so by
// Service::busy, and the device stays awake for it, up to a minute. In safe mode, without features,
// the device does not sleep.
//
// It takes 1.6 KB of the flash and 0.2 KB of the RAM.
class Sleep : public Service, private InfoPart {
  public:
    static constexpr uint32_t MAX_SECONDS = 4000000;

    // seconds: from wake to wake, 1 to MAX_SECONDS; what is out of range is taken for the nearest.
    // From about 3.4 hours on the chip sleeps in parts, and starts for a moment without WiFi
    // between them; then the reset pin ends only the last part early, and a power cut all.
    Sleep(Device* device, uint32_t seconds);

    // Sets another time from wake to wake, from this wake's end on.
    void every(uint32_t seconds);

    // Keeps the device awake for as long as it takes: a button is held down, say, or a pump runs.
    // That is on top of what the device has to do itself.
    void hold(bool awake) { held = awake; }

  private:
    enum class State : uint8_t { DORMANT, AWAKE, SAYING, PARTING, ASLEEP };

    void onNetworkUp() override { network = true; }
    void onBrokerUp() override;
    void onConfirmed() override;
    void write(Json& info) const override;
    void onWaiting(const char* payload, size_t length);

    void onTick();
    void work();
    void look();
    void retrySettings();
    bool needed() const;
    void leave(bool orderly);
    void depart();
    void sleep(uint32_t seconds);

    uint32_t rhythm;  // seconds
    SleepRecord record;
    State state = State::AWAKE;
    bool held = false;
    bool network = false;   // has been reached in this wake
    bool reached = false;   // the broker has
    bool due;               // it is to look for a release
    bool looked = false;    // it has, in this wake
    bool retried = false;   // the settings that were rejected
    bool healthy = false;   // the wake ends as it should
    uint8_t quiet = 0;      // ticks while all was said
    uint32_t lookedAt = 0;  // seconds since the start
    uint32_t patience;      // until then it tries to come to an end, in ms since the start
    Timer timer;
    Subscription waiting;
};

}  // namespace esper
