// What every test program begins with.
#include <espconn.h>
#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>

#define say(...) os_printf_plus(__VA_ARGS__)

extern "C" {
void ets_intr_lock();
void ets_intr_unlock();
void ets_isr_attach(int number, void (*function)(void*), void* arg);
void ets_isr_unmask(uint32_t mask);
void ets_delay_us(uint32_t us);
void gpio_pin_intr_state_set(uint32_t pin, uint32_t state);
bool system_os_task(void (*task)(uint32_t* event), uint8_t priority, void* queue, uint8_t length);
bool system_os_post(uint8_t priority, uint32_t signal, uint32_t parameter);
void system_soft_wdt_feed();
bool system_rtc_mem_read(uint8_t block, void* to, uint16_t size);
bool system_rtc_mem_write(uint8_t block, const void* from, uint16_t size);
}

static const partition_item_t partitions[] = {
    {SYSTEM_PARTITION_RF_CAL, 0xFB000, 0x1000},
    {SYSTEM_PARTITION_PHY_DATA, 0xFC000, 0x1000},
    {SYSTEM_PARTITION_SYSTEM_PARAMETER, 0xFD000, 0x3000},
};

#ifndef NO_PARTITIONS
void user_pre_init() {
    system_partition_table_regist(partitions, 3, 2);
}
#endif

static inline void* allocate(size_t size) { return pvPortMalloc(size, "", 0, false); }
static inline void release(void* memory) { vPortFree(memory, "", 0); }

static inline void start(ETSTimer* timer, uint32_t ms, void (*f)(void*), bool repeat = false) {
    ets_timer_disarm(timer);
    ets_timer_setfn(timer, f, nullptr);
    ets_timer_arm_new(timer, ms, repeat, true);
}

static inline void join() {
    static station_config config;
    config.ssid[0] = 'a';
    wifi_set_opmode_current(STATION_MODE);
    wifi_station_set_config_current(&config);
}
