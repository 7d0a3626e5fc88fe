// The input's first byte says in which slot the rest, an image, lies, and whether its trailer
// is to be made right. The bootloader checks it and loads it.
#include "bootloader/image.h"

#include "bootloader/configuration.h"
#include "chip.h"
#include "fuzz.h"

using namespace esper;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    resetChip();
    Input input(data, size);
    const uint8_t how = input.byte();
    const uint32_t slot = how & 1;
    // A trailer behind a whole slot takes much time; the comparison with Go has those.
    uint32_t length = 0;
    if (input.size() >= 16 + sizeof(Descriptor)) {
        memcpy(&length, input.rest() + 16 + offsetof(Descriptor, size), 4);
    }
    if (length > 0x4000 && length <= SLOT_SIZE) {
        return 0;
    }
    putImage(slot, input.rest(), input.size(), (how & 2) != 0);
    Image image;
    read(image, slot);
    PROMISE(memchr(image.descriptor.device, 0, sizeof image.descriptor.device) != nullptr);
    PROMISE(memchr(image.descriptor.version, 0, sizeof image.descriptor.version) != nullptr);
    verify(image);
    if (image.verdict == VERIFIED) {
        PROMISE(image.descriptor.slot == slot);
        PROMISE(image.descriptor.size <= SLOT_SIZE);
        PROMISE(load(image) != 0);
        // One bit that changes, anywhere, and it is not whole any more.
        const uint32_t bit = image.descriptor.sequence % (8 * image.descriptor.size);
        flash[image.address + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        read(image, slot);
        verify(image);
        PROMISE(image.verdict != VERIFIED);
    }
    return 0;
}
