#include "Settings.h"

#include <string.h>
#include <user_interface.h>

#include "Configuration.h"
#include "Flash.h"
#include "Log.h"
#include "Store.h"
#include "Text.h"

namespace esper {

namespace {

constexpr Store STORE(Layout::SETTINGS);

// The candidate's marks, at the end of its sector (SPEC 12.3).
constexpr uint32_t MARKS = Layout::CANDIDATE + Layout::SECTOR - 32;
constexpr uint32_t TRIES = 4;     // the first words, one for each trial that began
constexpr uint32_t REJECTED = 4;  // the word behind them: why it was rejected
constexpr uint32_t ERASED = UINT32_MAX;
const UpdateError REASONS[] = {UpdateError::NO_WIFI, UpdateError::NO_BROKER,
                               UpdateError::NO_UPDATE_SERVER, UpdateError::NOT_CONFIRMED};
constexpr uint32_t REASON_COUNT = sizeof(REASONS) / sizeof(REASONS[0]);

Store::Record stored;    // what the flash holds
Store::Record compiled;  // what the image holds, merged into it
Store::Record tried;     // the candidate, while it is used
Entries current;
Settings::Candidate state = Settings::Candidate::NONE;
uint32_t why = ERASED;  // it was rejected: the word in flash

// The settings in the image lie in flash, where only words may be read.
bool readCompiled(Store::Record& out) {
    const uint32_t words = (configuration.settingsSize + 3) / 4;
    uint32_t* const copy = static_cast<uint32_t*>(pvPortMalloc(4 * words, "", 0, false));
    if (copy == nullptr) {
        return false;
    }
    const volatile uint32_t* const from = configuration.settings;
    for (uint32_t i = 0; i < words; i++) {
        copy[i] = from[i];
    }
    const bool done = out.set({reinterpret_cast<const uint8_t*>(copy), configuration.settingsSize});
    vPortFree(copy, "", 0);
    return done;
}

// The record, with the changes merged into it and a number of its own.
UpdateError merge(const Entries& record, const Entries& changes, const char* name, int32_t number,
                  Store::Record& out) {
    const uint32_t capacity = Entries::MAX_SIZE;
    uint8_t* const buffer = static_cast<uint8_t*>(pvPortMalloc(capacity, "", 0, false));
    if (buffer == nullptr) {
        return UpdateError::NO_MEMORY;
    }
    EntriesWriter writer(buffer, capacity);
    writer.merge(record, changes, name);
    if (name[0] != 0) {
        writer.number(name, number);
    }
    UpdateError result = UpdateError::MALFORMED_SETTINGS;
    if (writer.fits()) {
        result = out.set(writer.entries()) ? UpdateError::NONE : UpdateError::NO_MEMORY;
    }
    vPortFree(buffer, "", 0);
    return result;
}

void choose() {
    if (tried.valid()) {
        current = tried.entries();
    } else {
        current = compiled.valid() ? compiled.entries() : stored.entries();
    }
}

uint32_t mark(uint32_t number) {
    uint32_t word = 0;
    Flash::read(MARKS + 4 * number, &word, sizeof(word));
    return word;
}

void setMark(uint32_t number, uint32_t word) {
    Flash::write(MARKS + 4 * number, &word, sizeof(word));
}

// Looks at the candidate in flash, and erases it if it is of no use.
void lookAtCandidate() {
    Store::Record found;
    state = Settings::Candidate::NONE;
    uint32_t first = ERASED;
    Flash::read(Layout::CANDIDATE, &first, sizeof(first));
    if (first == ERASED) {
        return;
    }
    const Entries& record = Settings::record();
    if (!Store::read(Layout::CANDIDATE, found) ||
        (found.entries().number("sequence") <= record.number("sequence") &&
         found.entries().number("device.sequence") <= record.number("device.sequence"))) {
        Flash::erase(Layout::CANDIDATE);
        return;
    }
    why = mark(REJECTED);
    state = why == ERASED ? Settings::Candidate::PENDING : Settings::Candidate::REJECTED;
}

}  // namespace

void Settings::begin(bool firmwareOnTrial) {
    if (configuration.stored && !STORE.load(stored)) {
        ESPER_INFO("settings", "none in flash");
    }
    const Entries record = stored.entries();
    const bool released = record.number("sequence") != 0 || record.number("device.sequence") != 0;
    const bool wins = !configuration.stored || !released;
    if (configuration.settings != nullptr && wins) {
        Store::Record own;
        if (readCompiled(own)) {
            merge(stored.entries(), own.entries(), "", 0, compiled);
        }
    }
    choose();
    if (!firmwareOnTrial) {
        move();
    }
    if (configuration.stored) {
        lookAtCandidate();
    }
}

void Settings::move() {
    if (!configuration.stored || !compiled.valid()) {
        return;
    }
    const Entries now = compiled.entries();
    const Entries before = stored.entries();
    if (now.size() == before.size() && memcmp(now.data(), before.data(), now.size()) == 0) {
        compiled.release();
        choose();
        return;
    }
    const bool moved = STORE.save(now);
    ESPER_INFO("settings", "moved into the flash%s", moved ? "" : ": failed");
    if (moved) {
        stored.swap(compiled);
        compiled.release();
        choose();
    }
}

const Entries& Settings::used() {
    return current;
}

bool Settings::inFlash() {
    return stored.valid() && !compiled.valid();
}

const Entries& Settings::record() {
    static Entries record;
    record = compiled.valid() ? compiled.entries() : stored.entries();
    return record;
}

uint16_t Settings::port(const char* name) {
    uint32_t port = 0;
    for (const char* digit = text(name, 1); *digit >= '0' && *digit <= '9'; digit++) {
        port = port * 10 + static_cast<uint32_t>(*digit - '0');
    }
    return static_cast<uint16_t>(port);
}

namespace {

// Numbers without a network are left out.
const char* ofNetwork(unsigned network, unsigned index) {
    for (uint32_t number = 1; number <= Settings::MAX_NETWORKS; number++) {
        char name[8];
        Text(name, sizeof(name)).add("wifi.").number(number);
        if (Settings::text(name)[0] != 0 && network-- == 0) {
            return Settings::text(name, index);
        }
    }
    return "";
}

}  // namespace

unsigned Settings::networks() {
    unsigned count = 0;
    while (ssid(count)[0] != 0) {
        count++;
    }
    return count;
}

const char* Settings::ssid(unsigned network) {
    return ofNetwork(network, 0);
}

const char* Settings::password(unsigned network) {
    return ofNetwork(network, 1);
}

// ---- the candidate ----

Settings::Candidate Settings::candidate() {
    return state;
}

UpdateError Settings::rejection() {
    return why >= 1 && why <= REASON_COUNT ? REASONS[why - 1] : UpdateError::NOT_CONFIRMED;
}

int32_t Settings::candidateNumber(const char* name) {
    Store::Record found;
    return state != Candidate::NONE && Store::read(Layout::CANDIDATE, found)
               ? found.entries().number(name)
               : 0;
}

UpdateError Settings::propose(const Entries& changes, const char* name, int32_t number) {
    Store::Record next;
    const UpdateError result = merge(record(), changes, name, number, next);
    if (result != UpdateError::NONE) {
        return result;
    }
    state = Candidate::NONE;
    if (!Store::write(Layout::CANDIDATE, 0, next.entries())) {
        return UpdateError::FLASH;
    }
    next.release();  // for what is read now
    lookAtCandidate();
    return state == Candidate::PENDING ? UpdateError::NONE : UpdateError::FLASH;
}

bool Settings::tryCandidate() {
    if (state == Candidate::NONE || tried.valid()) {
        return false;
    }
    if (state == Candidate::PENDING) {
        uint32_t number = 0;
        while (number < TRIES && mark(number) != ERASED) {
            number++;
        }
        if (number == TRIES) {
            reject(UpdateError::NOT_CONFIRMED);
            return false;
        }
        setMark(number, 0);
    }
    if (!Store::read(Layout::CANDIDATE, tried)) {
        return false;
    }
    choose();
    return true;
}

bool Settings::trying() {
    return tried.valid();
}

bool Settings::confirm() {
    if (!STORE.save(tried.entries())) {
        return false;
    }
    // A cut before this leaves a candidate that is not newer than the record.
    Flash::erase(Layout::CANDIDATE);
    state = Candidate::NONE;
    stored.swap(tried);
    tried.release();
    compiled.release();
    choose();
    return true;
}

void Settings::reject(UpdateError reason) {
    if (state == Candidate::PENDING) {
        for (why = 1; why < REASON_COUNT && REASONS[why - 1] != reason; why++) {
        }
        setMark(REJECTED, why);
        state = Candidate::REJECTED;
    }
    tried.release();
    choose();
}

}  // namespace esper
