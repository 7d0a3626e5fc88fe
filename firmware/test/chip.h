// A flash in memory, whose power can be cut in an operation; the heap, the clock and the timers.
#pragma once

#include <osapi.h>

#include <cstdint>

namespace chip {

constexpr uint32_t FROM = 0x07B000;  // what is used of the flash
constexpr uint32_t SIZE = 0x082000;
extern uint8_t memory[SIZE];

extern int left;          // operations until the power is cut; -1: it is not
extern bool dead;         // it was
extern bool outOfMemory;  // of the heap
extern unsigned erased[SIZE / 4096];

// What of the operation in which the power is cut is done.
enum class Tear { PREFIX, SUFFIX, BITS };
extern Tear tear;
extern uint32_t
    torn;  // bytes that are, or from where on; for BITS every other bit is from there on

void reset();  // the power comes back; no timer is armed
void fresh();  // and the flash is erased

// Lets virtual time pass, in which timers are called.
void run(uint64_t milliseconds);

// The timer that was armed last, if it still is; takeTimer takes it off, with its time in ms.
bool armed();
ETSTimer* takeTimer(uint32_t& after);

}  // namespace chip
