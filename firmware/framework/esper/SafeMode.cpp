#include "SafeMode.h"

#include <stdint.h>
#include <user_interface.h>

#include "BootRecord.h"

static constexpr uint32_t ENOUGH = 5;  // crashes

// The count lies in RTC memory, which a crash does not touch and a power cut fills with
// anything. It takes whole words only.
static constexpr uint32_t MAGIC = 0x5AFE0000;
static constexpr uintptr_t ADDRESS = BootRecord::ADDRESS + 4 * BootRecord::WORDS;

static bool now = false;

static volatile uint32_t& memory() {
    return *reinterpret_cast<volatile uint32_t*>(ADDRESS);
}

void SafeMode::begin() {
    uint32_t crashes = memory() ^ MAGIC;
    if (crashes > ENOUGH) {
        crashes = 0;
    }
    const uint8_t mode = BootRecord::read().lastMode;
    const uint32_t reset = system_get_rst_info()->reason;
    if (mode & BootRecord::TRIAL) {
        crashes = 0;  // another firmware, which is to show all that it does
    } else if (mode & BootRecord::ROLLED_BACK) {
        // Another firmware's crash.
    } else if (crashes < ENOUGH && (reset == REASON_WDT_RST || reset == REASON_EXCEPTION_RST ||
                                    reset == REASON_SOFT_WDT_RST)) {
        crashes++;
    }
    memory() = MAGIC ^ crashes;
    now = crashes == ENOUGH;
}

bool SafeMode::active() {
    return now;
}

void SafeMode::healthy() {
    memory() = MAGIC;
}
