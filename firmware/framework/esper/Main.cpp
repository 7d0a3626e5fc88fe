// Where the SDK enters the firmware.

#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>

#include "Clock.h"
#include "Configuration.h"
#include "Device.h"
#include "Log.h"
#include "Reset.h"
#include "SafeMode.h"

using namespace esper;

inline void* operator new(size_t, void* place) noexcept {
    return place;
}

extern "C" {

// Constructors of global objects, from the linker.
extern void (*__init_array_start[])();
extern void (*__init_array_end[])();

// The SDK wants to know where its sectors are before it starts (SPEC 1). The slots are left
// out: it would insist on the first at 0x001000. That they are missing it only remarks on. Its
// parameters it keeps at the end of a flash of the size in the header, which flashing tools set.
void user_pre_init() {
    static const uint8_t MEGABYTES[] = {0, 0, 1, 2, 4, 2, 4, 0, 8, 16};  // by size in the header
    uint32_t header = 0;
    spi_flash_read(0, &header, sizeof(header));
    const uint32_t map = header >> 28;
    const uint32_t size = map < sizeof(MEGABYTES) ? uint32_t{MEGABYTES[map]} << 20 : 0;
    // Not all makers of flash have the size's logarithm in the id.
    const uint32_t capacity = spi_flash_get_id() >> 16 & 0xFF;
    const uint32_t chip = capacity >= 0x12 && capacity <= 0x18 ? 1u << capacity : UINT32_MAX;

    openLog();
    if (size == 0 || size > chip) {
        ESPER_ERROR("flash",
                    "its header (%u) does not fit a chip of %u KB: flash it again with "
                    "--flash_size detect",
                    static_cast<unsigned>(map), static_cast<unsigned>(chip >> 10));
    }
    static partition_item_t partitions[] = {
        {SYSTEM_PARTITION_RF_CAL, 0x0FB000, 0x1000},
        {SYSTEM_PARTITION_PHY_DATA, 0x0FC000, 0x1000},
        {SYSTEM_PARTITION_SYSTEM_PARAMETER, 0, 0x3000},
    };
    partitions[2].addr = size - partitions[2].size;
    if (!system_partition_table_regist(partitions, sizeof(partitions) / sizeof(partitions[0]),
                                       map)) {
        ESPER_ERROR("flash", "the SDK refuses the partitions");
    }
}

// What getDevice returned: it is the device type's code, and runs once.
static Device* device;

void user_init() {
    // Or each boot opens an access point for a moment, with a DHCP server.
    wifi_set_opmode_current(STATION_MODE);
    openLog();  // the SDK has set the UARTs meanwhile
    Clock::begin();
    Reset::begin();
    SafeMode::begin();
    if (SafeMode::active()) {
        // The firmware's own objects stay unmade, but for the device, without features.
        device = new (getDevice()) Device();
    } else {
        for (auto make = __init_array_start; make != __init_array_end; make++) {
            (*make)();
        }
        device = getDevice();
    }
    installServices(*device);
    // Connections may be opened only when the SDK is ready.
    system_init_done_cb([]() { device->start(); });
}

// What the compiler refers to and the framework never gets to.

void __cxa_pure_virtual() {
    asm volatile("ill");  // a crash like any other, with an address
    while (true) {
    }
}

int atexit(void (*)()) {
    return 0;
}
}
