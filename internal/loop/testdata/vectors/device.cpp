// A device that judges all signature vectors and says what it found on the serial line.
#include <esper/Device.h>
#include <esper/Timer.h>

#include "judge.h"

using namespace esper;

static Judge judge;
static void onTimer(void*);
static Timer timer(onTimer, nullptr);
Device device;

// One at a time: the watchdogs do not wait longer.
static void onTimer(void*) {
    if (!judge.more()) {
        os_printf_plus("judged all\n");
        return;
    }
    bool valid = false;
    const uint32_t number = judge.judge(&valid);
    os_printf_plus("vector %u %s\n", number, valid ? "valid" : "invalid");
    timer.once(1);
}

Device* getDevice() {
    timer.once(1);
    return &device;
}
