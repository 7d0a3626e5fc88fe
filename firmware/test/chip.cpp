#include "chip.h"

#include <esper/Configuration.h>
#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "check.h"

namespace chip {

uint8_t memory[SIZE];
int left = -1;
bool dead = false;
bool outOfMemory = false;
unsigned erased[SIZE / 4096];
Tear tear = Tear::PREFIX;
uint32_t torn = 0;

namespace {

struct Armed {
    uint64_t due;
    uint32_t after;
    bool again;
};

uint64_t now;  // ms
std::map<ETSTimer*, Armed> timers;
ETSTimer* last;  // that was armed

}  // namespace

void reset() {
    left = -1;
    dead = outOfMemory = false;
    tear = Tear::PREFIX;
    timers.clear();
}

void fresh() {
    reset();
    memset(memory + FROM, 0xFF, SIZE - FROM);
    memset(erased, 0, sizeof(erased));
}

namespace {

// Makes bytes of the flash what an operation wants them to be, as far as there is power.
SpiFlashOpResult operate(uint32_t address, const uint8_t* wanted, uint32_t size) {
    const bool last = left == 0 && !dead;
    dead |= last;
    left -= left > 0;
    if (dead && !last) {
        return SPI_FLASH_RESULT_ERR;
    }
    for (uint32_t i = 0; i < size; i++) {
        uint8_t mask = 0xFF;
        if (last && tear == Tear::BITS) {
            mask = i >= torn ? 0x55 : 0xFF;
        } else if (last) {
            mask = (i < torn) == (tear == Tear::PREFIX) ? 0xFF : 0;
        }
        uint8_t& byte = memory[address + i];
        byte = static_cast<uint8_t>((byte & ~mask) | (wanted[i] & mask));
    }
    return dead ? SPI_FLASH_RESULT_ERR : SPI_FLASH_RESULT_OK;
}

}  // namespace

void run(uint64_t milliseconds) {
    const uint64_t until = now + milliseconds;
    while (true) {
        ETSTimer* next = nullptr;
        for (const auto& timer : timers) {
            if (timer.second.due <= until &&
                (next == nullptr || timer.second.due < timers[next].due)) {
                next = timer.first;
            }
        }
        if (next == nullptr) {
            break;
        }
        Armed& armed = timers[next];
        now = armed.due;
        if (armed.again) {
            armed.due += armed.after;
        } else {
            timers.erase(next);
        }
        next->timer_func(next->timer_arg);
    }
    now = until;
}

bool armed() {
    return timers.count(last) > 0;
}

ETSTimer* takeTimer(uint32_t& after) {
    after = timers.at(last).after;
    timers.erase(last);
    return last;
}

}  // namespace chip

using namespace chip;

const esper::Descriptor esper::descriptor = {};

extern "C" {

SpiFlashOpResult spi_flash_erase_sector(uint16_t sector) {
    CHECK(sector >= FROM / 4096 && sector < SIZE / 4096);
    erased[sector] += !dead;
    uint8_t wanted[4096];
    memset(wanted, 0xFF, sizeof(wanted));
    return operate(sector * 4096u, wanted, sizeof(wanted));
}

SpiFlashOpResult spi_flash_write(uint32_t address, uint32_t* source, uint32_t size) {
    CHECK(address % 4 == 0 && size % 4 == 0 && address >= FROM && address + size <= SIZE);
    uint8_t wanted[4096];
    CHECK(size <= sizeof(wanted));
    for (uint32_t i = 0; i < size; i++) {
        wanted[i] = memory[address + i] & reinterpret_cast<const uint8_t*>(source)[i];
    }
    return operate(address, wanted, size);
}

SpiFlashOpResult spi_flash_read(uint32_t address, uint32_t* destination, uint32_t size) {
    CHECK(address % 4 == 0 && size % 4 == 0 && address >= FROM && address + size <= SIZE);
    memcpy(destination, memory + address, size);
    return dead ? SPI_FLASH_RESULT_ERR : SPI_FLASH_RESULT_OK;
}

void* pvPortMalloc(size_t size, const char*, unsigned, bool) {
    return outOfMemory ? nullptr : malloc(size);
}

void vPortFree(void* block, const char*, unsigned) {
    free(block);
}

uint32_t system_get_time() {
    return static_cast<uint32_t>(now * 1000);
}

void ets_timer_setfn(ETSTimer* timer, void (*function)(void*), void* argument) {
    timer->timer_func = function;
    timer->timer_arg = argument;
}

void ets_timer_arm_new(ETSTimer* timer, uint32_t after, bool again, bool) {
    timers[timer] = {now + after, after, again};
    last = timer;
}

void ets_timer_disarm(ETSTimer* timer) {
    timers.erase(timer);
}

int os_printf_plus(const char*, ...) {
    return 0;
}
}
