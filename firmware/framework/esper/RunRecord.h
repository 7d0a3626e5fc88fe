// The run record (SPEC 3): what firmware tells its next start, or that of the other slot.
#pragma once

#include <stdint.h>

#include "BootRecord.h"

namespace esper {

struct RunRecord {
    static constexpr uint32_t MAGIC = 0x5AFE0000;
    static constexpr uint32_t MAX_CRASHES = 5;
    static constexpr uint32_t RUNNING = 0x100;
    static constexpr uint32_t TRIAL_SHIFT = 9;

    // RTC memory takes whole words only.
    static constexpr uintptr_t ADDRESS = BootRecord::ADDRESS + 4 * BootRecord::WORDS;

    uint8_t crashes;  // in a row
    bool running;     // since its start; a restart on purpose clears it
    uint8_t trial;    // the slot whose trial was asked for, plus 1; 0: none

    // All zeros if there is none, as after a power cut.
    static RunRecord of(uint32_t word) {
        const uint32_t bits = word ^ MAGIC;
        const uint32_t crashes = bits & 0xFF;
        const uint32_t trial = bits >> TRIAL_SHIFT;
        if (crashes > MAX_CRASHES || trial > 2) {
            return {0, false, 0};
        }
        return {static_cast<uint8_t>(crashes), (bits & RUNNING) != 0, static_cast<uint8_t>(trial)};
    }

    uint32_t word() const {
        return MAGIC ^
               (crashes | (running ? RUNNING : 0) | static_cast<uint32_t>(trial) << TRIAL_SHIFT);
    }

    static RunRecord read() { return of(memory()); }
    void write() const { memory() = word(); }

  private:
    static volatile uint32_t& memory() { return *reinterpret_cast<volatile uint32_t*>(ADDRESS); }
};

}  // namespace esper
