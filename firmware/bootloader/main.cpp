// ESPer's bootloader: boots a slot only if the image in it is whole (docs/SPEC.md, section 4).
#include "configuration.h"
#include "image.h"
#include "rom.h"

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

}  // namespace

// Returns the entry address of the firmware to run.
extern "C" uint32_t boot() {
    static Image images[SLOTS];
    startSerial();
    read(images[0], 0);
    read(images[1], 1);

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
        Image& image = images[slot];
        const uint32_t verdict = verify(image);
        const uint32_t wrong = opaque(verdict) ^ VERIFIED;
        if (verdict != VERIFIED) {
            ets_printf("boot: slot %d refused: %s\n", slot, image.refusal);
            if (readable) reason = "the other does not boot";
            continue;
        }
        const uint32_t entry = load(image);
        if (entry == 0) continue;
        ets_printf("boot: slot %d: %s %s, %s\n", slot, image.descriptor.device,
                   image.descriptor.version, reason);
        if (!readable) writeConfiguration(slot);
        writeRecord(slot);
        return entry ^ wrong;  // where no code is, if it is not to boot
    }
    stop();
}
