#pragma once

#include <stdint.h>

#include "Entries.h"
#include "UpdateError.h"

// How the device reaches its network, broker and update server (SPEC 12): from the flash, or
// compiled in. There is a record, and there may be a candidate that is to take its place.
//
// What these functions return lies in memory that goes when the settings that are used change.
namespace esper::Settings {

// Reads them. Before this, and if there are none, all are empty.
void begin(bool firmwareOnTrial);

// The settings that are used now.
const Entries& used();
bool inFlash();  // the record counts, and not what is compiled in
inline const char* text(const char* name, unsigned index = 0) {
    return used().text(name, index);
}
uint16_t port(const char* name);  // the text behind the host of `mqtt` or `update`, as a number

// Networks are counted from 0 here; SPEC 12.2 calls the first one wifi.1.
constexpr unsigned MAX_NETWORKS = 4;
unsigned networks();
const char* ssid(unsigned network);
const char* password(unsigned network);

// Writes what is compiled in into the flash, if the site moves its settings there. To be called
// when the firmware is not on trial.
void move();

// The record, also while the candidate is used.
const Entries& record();

// ---- the candidate ----

enum class Candidate : uint8_t {
    NONE,
    PENDING,   // to be tried
    REJECTED,  // to be tried only if what is used fails
};

Candidate candidate();
UpdateError rejection();  // why it was rejected
int32_t candidateNumber(
    const char* name);  // `sequence` or `device.sequence` of it; 0: there is none

// Writes the changes, merged with the record, as the candidate. The number takes the place of the
// record's of that name.
UpdateError propose(const Entries& changes, const char* name, int32_t number);

// Uses the candidate from now on. False: it cannot be used, and the record goes on to be used. A
// pending one that was begun too often is rejected.
bool tryCandidate();
bool trying();

// Makes the candidate, which is used, the record. False: the flash reported an error.
bool confirm();

// Uses the record again. The candidate is rejected for this reason.
void reject(UpdateError why);

}  // namespace esper::Settings
