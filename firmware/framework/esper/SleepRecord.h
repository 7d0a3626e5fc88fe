// The sleep record (SPEC 3): what a device that sleeps tells its next wake. It outlives a deep
// sleep and every reset, but not a power cut.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "RunRecord.h"

namespace esper {

struct SleepRecord {
    static constexpr uint32_t MAGIC = 0x51EE9000;
    static constexpr uint32_t MAX_SECONDS = 0xFFFFFF;
    static constexpr uint32_t MAX_MISSES = 0xFF;

    // RTC memory takes whole words only. The third one, 0x60001218, is not of this record.
    static constexpr uintptr_t ADDRESS = RunRecord::ADDRESS + 4;
    static constexpr size_t WORDS = 4;

    bool valid;
    uint32_t sinceCheck;  // seconds since the last check for a release, at the end of the sleep
    uint32_t misses;      // wakes in a row that did not reach the broker
    uint32_t left;  // seconds to sleep behind this sleep: the chip cannot sleep so long at once

    // All zeros if there is none, as after a power cut.
    static SleepRecord of(const volatile uint32_t* words) {
        const uint32_t first = words[0];
        const uint32_t left = words[3];
        if ((first ^ left ^ MAGIC) != words[1]) {
            return {false, 0, 0, 0};
        }
        return {true, first & MAX_SECONDS, first >> 24, left};
    }

    // What is too large for it is as large as it can be.
    void put(volatile uint32_t* words) const {
        const uint32_t first = (sinceCheck < MAX_SECONDS ? sinceCheck : MAX_SECONDS) |
                               (misses < MAX_MISSES ? misses : MAX_MISSES) << 24;
        words[0] = first;
        words[1] = first ^ left ^ MAGIC;
        words[3] = left;
    }

    static SleepRecord read() { return of(memory()); }
    void write() const { put(memory()); }

  private:
    static volatile uint32_t* memory() { return reinterpret_cast<volatile uint32_t*>(ADDRESS); }
};

}  // namespace esper
