#include "Reset.h"

#include <stdint.h>
#include <user_interface.h>

#include "RunRecord.h"

namespace esper {

// The SDK (3.0.6) restarts a program that hangs, and then forgets why: system_restart_local
// replaces the reason "software watchdog". So firmware says before it restarts on purpose, and a
// restart of which it did not was the watchdog's.
void Reset::begin() {
    RunRecord record = RunRecord::read();
    rst_info* const reset = system_get_rst_info();
    if (record.running && reset->reason == REASON_SOFT_RESTART) {
        reset->reason = REASON_SOFT_WDT_RST;
    }
    record.running = true;
    record.write();
}

// The boot pins as they were at power-on: the upper half of GPIO_IN.
static constexpr uintptr_t STRAPPING = 0x60000318;
static constexpr uint32_t DOWNLOAD = 1;

bool Reset::bootModeLatched() {
    return (*reinterpret_cast<volatile uint32_t*>(STRAPPING) >> 16 & 7) == DOWNLOAD;
}

BeforeEnd* BeforeEnd::first = nullptr;

BeforeEnd::BeforeEnd(Function function, void* object)
    : function(function), object(object), next(first) {
    first = this;
}

void Reset::prepare(uint32_t pause) {
    for (const BeforeEnd* one = BeforeEnd::first; one != nullptr; one = one->next) {
        one->function(one->object, pause);
    }
}

}  // namespace esper

extern "C" {

void __real_system_restart();

// Called instead of system_restart (the linker's --wrap), by device types, too.
void __wrap_system_restart() {
    esper::Reset::prepare(0);
    esper::RunRecord record = esper::RunRecord::read();
    record.running = false;
    record.write();
    __real_system_restart();
}
}
