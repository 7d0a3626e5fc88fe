// The RTC record (SPEC 3): what firmware and bootloader tell each other across a reset. Both
// use it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

struct BootRecord {
    static constexpr uint32_t MAGIC = 0x2334AE68;
    static constexpr uint8_t TRIAL = 0x02;        // in nextMode: wanted; in lastMode: running
    static constexpr uint8_t ROLLED_BACK = 0x80;  // in lastMode: of slot tempRom

    // RTC memory takes whole words only.
    static constexpr uintptr_t ADDRESS = 0x60001200;
    static constexpr size_t WORDS = 3;

    uint8_t nextMode;
    uint8_t lastMode;
    uint8_t lastRom;
    uint8_t tempRom;

    // All zeros if there is none, as after a power cut.
    static BootRecord of(const volatile uint32_t* words) {
        const uint32_t modes = words[1];
        if (words[0] != MAGIC || (words[2] & 0xFF) != checksum(modes)) {
            return {0, 0, 0, 0};
        }
        return {static_cast<uint8_t>(modes), static_cast<uint8_t>(modes >> 8),
                static_cast<uint8_t>(modes >> 16), static_cast<uint8_t>(modes >> 24)};
    }

    void put(volatile uint32_t* words) const {
        const uint32_t modes =
            nextMode | lastMode << 8 | lastRom << 16 | static_cast<uint32_t>(tempRom) << 24;
        words[0] = MAGIC;
        words[1] = modes;
        words[2] = checksum(modes);
    }

    static BootRecord read() { return of(memory()); }
    void write() const { put(memory()); }

  private:
    static volatile uint32_t* memory() { return reinterpret_cast<volatile uint32_t*>(ADDRESS); }

    static uint32_t checksum(uint32_t modes) {
        uint32_t sum = MAGIC ^ modes;
        sum ^= sum >> 16;
        sum ^= sum >> 8;
        return (sum ^ 0xEF) & 0xFF;
    }
};

}  // namespace esper
