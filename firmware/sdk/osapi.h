// Timers, random numbers, memory and printing.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

struct ETSTimer {
    ETSTimer* timer_next;
    uint32_t timer_expire;
    uint32_t timer_period;
    void (*timer_func)(void* arg);
    void* timer_arg;
};

// What the SDK's os_timer_arm, os_timer_disarm and os_timer_setfn expand to. With ms the time
// is in milliseconds, at most 6870947.
void ets_timer_arm_new(ETSTimer* timer, uint32_t time, bool repeat, bool ms);
void ets_timer_disarm(ETSTimer* timer);
void ets_timer_setfn(ETSTimer* timer, void (*function)(void* arg), void* arg);

unsigned long os_random();

void* ets_memmove(void* destination, const void* source, unsigned size);

int os_printf_plus(const char* format, ...) __attribute__((format(printf, 1, 2)));
// Where os_printf_plus sends what it prints, character by character; nullptr is nowhere. The
// vendor's header calls it os_install_putc1.
void ets_install_putc1(void (*function)(char c));
int ets_snprintf(char* out, unsigned size, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// What os_malloc and os_free expand to; file and line are for the SDK's leak finder.
void* pvPortMalloc(size_t size, const char* file, unsigned line, bool iram);
void vPortFree(void* memory, const char* file, unsigned line);
}
