// The wear record (SPEC 3): how much of the journal was written lately.
#pragma once

#include <stdint.h>

#include "RunRecord.h"

namespace esper {

struct WearRecord {
    static constexpr uint32_t MAGIC = 0x5EA70000;
    static constexpr uint32_t LIMIT = 8192;  // bytes

    // Behind the run record and the first two words of the sleep record.
    static constexpr uintptr_t ADDRESS = RunRecord::ADDRESS + 4 + 8;

    // 0 if there is none, as after a power cut.
    static uint32_t of(uint32_t word) {
        const uint32_t bytes = word ^ MAGIC;
        return bytes <= LIMIT ? bytes : 0;
    }

    static uint32_t read() { return of(memory()); }
    static void write(uint32_t bytes) { memory() = MAGIC ^ bytes; }

  private:
    static volatile uint32_t& memory() { return *reinterpret_cast<volatile uint32_t*>(ADDRESS); }
};

}  // namespace esper
