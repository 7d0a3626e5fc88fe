#include "Clock.h"

#include <user_interface.h>

namespace esper {

uint32_t Clock::last = 0;
uint32_t Clock::whole = 0;
uint32_t Clock::micros = 0;

void Clock::begin() {
    last = system_get_time();
}

uint32_t Clock::seconds() {
    advance();
    return whole;
}

uint32_t Clock::milliseconds() {
    advance();
    return whole * 1000 + micros / 1000;
}

void Clock::advance() {
    const uint32_t now = system_get_time();
    const uint32_t passed = now - last;
    last = now;
    whole += passed / 1000000;
    micros += passed % 1000000;
    if (micros >= 1000000) {
        micros -= 1000000;
        whole++;
    }
}

}  // namespace esper
