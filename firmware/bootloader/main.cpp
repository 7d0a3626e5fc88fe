// ESPer's bootloader: boots a slot only if the image in it is whole (docs/SPEC.md, section 4).
#include "configuration.h"
#include "esper/BootRecord.h"
#include "esper/BootVersion.h"
#include "image.h"
#include "rom.h"

using namespace esper;

// The mask ROM calls this. The firmware goes on with the ROM's stack, so nothing of the
// bootloader may be left on it: boot() has returned when the firmware starts.
asm(".section .text.call_user_start, \"ax\"\n"
    ".global call_user_start\n"
    ".align 4\n"
    "call_user_start:\n"
    "    mov a12, a0\n"
    "    call0 boot\n"
    "    mov a0, a12\n"
    "    jx a2\n");

// The linker script puts it first.
extern "C" [[gnu::section(".version"), gnu::used]] const BootVersion bootVersion = {
    BootVersion::MAGIC, BootVersion::CURRENT};

namespace {

// 115200 baud from the 52 MHz that the ROM sets the chip to. After a restart by software
// (the SDK's reasons 2 to 4, in the first word of its RTC memory) clock and divisor are
// still the firmware's.
void startSerial() {
    const uint32_t reason = *memory(0x60001100);
    if (reason < 2 || reason > 4) uart_div_modify(0, 52000000 / 115200);
    ets_printf("\n");
}

[[noreturn]] void stop() {
    ets_printf("boot: no slot boots, stopped\n");
    for (;;) {
        feedWatchdog();
        ets_delay_us(100000);
    }
}

// Loads the image if it may be booted, and returns its entry address; else 0.
uint32_t start(Image& image, const char* reason) {
    verify(image);
    if (image.verdict != VERIFIED) {
        ets_printf("boot: slot %d refused: %s\n", image.slot, image.refusal);
        return 0;
    }
    const uint32_t entry = load(image);
    if (entry == 0) return 0;
    ets_printf("boot: slot %d: %s %s, %s\n", image.slot, image.descriptor.device,
               image.descriptor.version, reason);
    return entry;
}

}  // namespace

// Returns the entry address of the firmware to run.
extern "C" uint32_t boot() {
    static Image images[SLOTS];
    startSerial();
    read(images[0], 0);
    read(images[1], 1);

    BootRecord record = BootRecord::read();
    if ((record.nextMode & BootRecord::TRIAL) && record.tempRom < SLOTS) {
        // Before anything else, so that it happens once whatever follows.
        record = {0, BootRecord::TRIAL, record.tempRom, 0};
        record.write();
        const uint32_t entry = start(images[record.lastRom], "on trial");
        if (entry != 0) return entry;
    }

    // What the descriptors say is enough to choose which slot to try first: verify() decides.
    const uint32_t configured = readConfiguration();
    const bool readable = configured < SLOTS;
    const char* reason = "as configured";
    uint32_t first = configured;
    if (!readable) {
        reason = "the configuration is unreadable";
        first = images[1].descriptor.sequence > images[0].descriptor.sequence ? 1 : 0;
    }

    for (uint32_t attempt = 0; attempt < SLOTS; attempt++) {
        const uint32_t slot = first ^ attempt;
        const uint32_t entry = start(images[slot], reason);
        if (entry == 0) {
            if (readable) reason = "the other does not boot";
            continue;
        }
        if (!readable) writeConfiguration(slot);
        const bool tried = record.lastMode & BootRecord::TRIAL;
        const uint8_t rom = static_cast<uint8_t>(slot);
        if (tried) {
            record = {0, BootRecord::ROLLED_BACK, rom, record.lastRom};
        } else {
            record = {0, 0, rom, 0};
        }
        record.write();
        return entry;
    }
    stop();
}
