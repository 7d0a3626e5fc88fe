#include "SafeMode.h"

#include <stdint.h>
#include <user_interface.h>

#include "BootRecord.h"
#include "Configuration.h"
#include "RunRecord.h"

namespace esper {

static bool now = false;

void SafeMode::begin() {
    RunRecord record = RunRecord::read();
    const uint32_t reset = system_get_rst_info()->reason;
    const uint8_t mode = BootRecord::read().lastMode;
    if (mode & BootRecord::TRIAL) {
        record.crashes = 0;  // another firmware, which is to show all that it does
    } else if ((mode & BootRecord::ROLLED_BACK) || record.trial == standbySlot() + 1) {
        // Another firmware's crash.
    } else if (record.crashes < RunRecord::MAX_CRASHES &&
               (reset == REASON_WDT_RST || reset == REASON_EXCEPTION_RST ||
                reset == REASON_SOFT_WDT_RST)) {
        record.crashes++;
    }
    record.write();
    now = record.crashes == RunRecord::MAX_CRASHES;
}

bool SafeMode::active() {
    return now;
}

void SafeMode::healthy() {
    RunRecord record = RunRecord::read();
    record.crashes = 0;
    record.write();
}

}  // namespace esper
