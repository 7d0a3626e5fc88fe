// The bootloader's version number (SPEC 2.2). The bootloader holds it, firmware reads it.
#pragma once

#include <stdint.h>

namespace esper {

struct BootVersion {
    static constexpr uint32_t ADDRESS = 0x000010;  // in flash
    static constexpr uint32_t MAGIC = 0x42505345;  // the characters "ESPB"
    static constexpr uint32_t CURRENT = 1;         // to be raised with each change that matters

    uint32_t magic;
    uint32_t number;
};

}  // namespace esper
