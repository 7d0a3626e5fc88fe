// Where the SDK enters the firmware.

#include <user_interface.h>

#include "Configuration.h"
#include "Device.h"
#include "Reset.h"
#include "SafeMode.h"

// UART 0 at 115200 baud; the SDK's default depends on the crystal.
static constexpr uint32_t UART_DIVISOR = 80000000 / 115200;

inline void* operator new(size_t, void* place) noexcept {
    return place;
}

extern "C" {

// Constructors of global objects, from the linker.
extern void (*__init_array_start[])();
extern void (*__init_array_end[])();

// The SDK wants to know where its sectors are before it starts (SPEC 1). The slots are left
// out: it would insist on the first at 0x001000. That they are missing it only remarks on.
void user_pre_init() {
    static const partition_item_t partitions[] = {
        {SYSTEM_PARTITION_RF_CAL, 0x0FB000, 0x1000},
        {SYSTEM_PARTITION_PHY_DATA, 0x0FC000, 0x1000},
        {SYSTEM_PARTITION_SYSTEM_PARAMETER, 0x0FD000, 0x3000},
    };
    system_partition_table_regist(partitions, sizeof(partitions) / sizeof(partitions[0]),
                                  FLASH_SIZE_8M_MAP_512_512);
}

// What getDevice returned: it is the device type's code, and runs once.
static Device* device;

void user_init() {
    // Or each boot opens an access point for a moment, with a DHCP server.
    wifi_set_opmode_current(STATION_MODE);
    uart_div_modify(0, UART_DIVISOR);
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
