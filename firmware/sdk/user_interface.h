// The functions of the vendor's NONOS SDK 3.0.x that the framework calls, by area as in the
// SDK. Only what is declared in this folder is called: the emulator answers exactly these.
#pragma once

#include <stdint.h>

#include "osapi.h"

extern "C" {

// Entry points, defined by the framework. user_rf_cal_sector_set is not needed since 3.0:
// the partition table names that sector.
void user_pre_init();
void user_init();

// ---- system ----

enum rst_reason : uint32_t {
    REASON_DEFAULT_RST = 0,       // power on
    REASON_WDT_RST = 1,           // hardware watchdog
    REASON_EXCEPTION_RST = 2,     // exception
    REASON_SOFT_WDT_RST = 3,      // software watchdog
    REASON_SOFT_RESTART = 4,      // system_restart
    REASON_DEEP_SLEEP_AWAKE = 5,  // end of a deep sleep
    REASON_EXT_SYS_RST = 6,       // reset pin
};

struct rst_info {
    uint32_t reason;  // rst_reason
    uint32_t exccause, epc1, epc2, epc3, excvaddr, depc;
};

rst_info* system_get_rst_info();
void system_restart();
// Ends in a deep sleep about 100 ms later, WiFi being off at once; the program goes on meanwhile.
// Its end is a start with REASON_DEEP_SLEEP_AWAKE, if GPIO16 is connected to the reset pin; with a
// time of 0 only a reset from outside ends it. False: 2^31 ticks of the RTC or more, about 3.5 h,
// are too long.
bool system_deep_sleep(uint64_t time_in_us);
// What the radio does after the next deep sleep: 0 and 1 calibrate it, 2 does not, 4 leaves it off.
bool system_deep_sleep_set_option(uint8_t option);
uint32_t system_rtc_clock_cali_proc();  // a tick of the RTC, in 4096ths of a microsecond
void system_init_done_cb(void (*done)());
uint32_t system_get_time();  // microseconds since start; wraps every 71 minutes
uint32_t system_get_free_heap_size();
uint32_t system_get_chip_id();
const char* system_get_sdk_version();
uint8_t system_get_boot_version();
void system_set_os_print(uint8_t on);  // 0: os_printf_plus prints nothing
uint8_t system_get_os_print();
uint16_t system_adc_read();  // 0 to 1023 for 0 V to 1 V at TOUT
void uart_div_modify(uint8_t uart, uint32_t divisor);

// ---- partition table ----

enum partition_type_t : uint32_t {
    SYSTEM_PARTITION_RF_CAL = 4,
    SYSTEM_PARTITION_PHY_DATA = 5,
    SYSTEM_PARTITION_SYSTEM_PARAMETER = 6,
    SYSTEM_PARTITION_CUSTOMER_BEGIN = 100,
};

struct partition_item_t {
    partition_type_t type;
    uint32_t addr;
    uint32_t size;
};

bool system_partition_table_regist(const partition_item_t* table, uint32_t count, uint32_t map);

// ---- wifi ----

enum : uint8_t { STATION_MODE = 1 };
enum : uint8_t { STATION_IF = 0 };
enum sleep_type : uint32_t { NONE_SLEEP_T = 0 };

enum : uint32_t {
    EVENT_STAMODE_CONNECTED = 0,
    EVENT_STAMODE_DISCONNECTED = 1,
    EVENT_STAMODE_GOT_IP = 3,
    EVENT_STAMODE_DHCP_TIMEOUT = 4,
};

struct ip_addr {
    uint32_t addr;  // first part of the dotted address in the lowest byte
};
typedef ip_addr ip_addr_t;

struct ip_info {
    ip_addr ip, netmask, gw;
};

struct station_config {
    uint8_t ssid[32];      // need not be 0-terminated
    uint8_t password[64];  // nor this
    uint8_t channel;
    uint8_t bssid_set;
    uint8_t bssid[6];
    struct {
        int8_t rssi;
        uint32_t authmode;
    } threshold;
    bool open_and_wep_mode_disable;
    bool all_channel_scan;
};
static_assert(sizeof(station_config) == 116, "as the SDK's");

struct Event_StaMode_Connected_t {
    uint8_t ssid[32];
    uint8_t ssid_len;
    uint8_t bssid[6];
    uint8_t channel;
};

struct Event_StaMode_Disconnected_t {
    uint8_t ssid[32];
    uint8_t ssid_len;
    uint8_t bssid[6];
    uint8_t reason;
};

struct Event_StaMode_Got_IP_t {
    ip_addr ip, mask, gw;
};

struct System_Event_t {
    uint32_t event;
    union {
        Event_StaMode_Connected_t connected;
        Event_StaMode_Disconnected_t disconnected;
        Event_StaMode_Got_IP_t got_ip;
    } event_info;
};
static_assert(sizeof(System_Event_t) == 44, "as the SDK's");

typedef void (*wifi_event_handler_cb_t)(System_Event_t* event);

// The _current calls do not write the SDK's sectors of the flash.
bool wifi_set_opmode_current(uint8_t opmode);
bool wifi_station_set_config_current(station_config* config);
bool wifi_station_set_reconnect_policy(bool set);
bool wifi_station_connect();
bool wifi_station_disconnect();
int8_t wifi_station_get_rssi();  // dBm; 31 when it is not known
void wifi_set_event_handler_cb(wifi_event_handler_cb_t callback);
bool wifi_set_sleep_type(sleep_type type);
bool wifi_get_ip_info(uint8_t interface, ip_info* info);
bool wifi_get_macaddr(uint8_t interface, uint8_t* mac);
uint8_t wifi_get_channel();
}
