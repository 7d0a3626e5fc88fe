#include "PersistedValues.h"

#include <user_interface.h>

#include "BootConfiguration.h"
#include "Clock.h"
#include "Log.h"
#include "WearRecord.h"

namespace esper {

namespace {

// What may be written, so that no flood of changes wears out a sector in 10 years: at once as much
// as costs an erasure of each sector, and then that every 4,096 s, which is 77,045 times in 10
// years. A sector bears 100,000.
constexpr uint32_t BURST = WearRecord::LIMIT;  // bytes
constexpr uint32_t REFILL = 2;                 // bytes a second
static_assert(BURST == Journal::CAPACITY && 10ull * 31557600 * REFILL / Journal::CAPACITY < 100000,
              "SPEC 12.7");

constexpr uint32_t RETRY = 10000;       // ms after an error
constexpr uint32_t LONGEST = 86400000;  // ms that a change may wait

bool isName(const char* name) {
    size_t length = 0;
    while (length < 33 && persisted::isNameCharacter(name[length])) {
        length++;
    }
    return length > 0 && length < 33 && name[length] == 0;
}

}  // namespace

bool PersistedValue::begin(Stored& out) {
    return PersistedValues::get().add(*this, out);
}

void PersistedValue::unknown(const Stored& stored) const {
    ESPER_WARNING("persisted", "%s: version %u is unknown, takes the standard value", name,
                  static_cast<unsigned>(stored.version));
}

void PersistedValue::changed(uint32_t within) {
    if (kept) {
        unsaved = true;
        PersistedValues::get().schedule(within);
    }
}

uint32_t PersistedValue::space() const {
    return Entries::Entry::HEADER + strlen(name) + HEADER + size;
}

// As in an entry. Out has room for HEADER + MAX_SIZE bytes.
Entries::Entry PersistedValue::entry(uint8_t* out) const {
    out[0] = static_cast<uint8_t>(version);
    out[1] = static_cast<uint8_t>(version >> 8);
    out[2] = out[3] = 0;
    memcpy(out + HEADER, value, size);
    return {Entries::Type::BYTES, name, static_cast<uint32_t>(strlen(name)), out,
            HEADER + uint32_t{size}};
}

PersistedValues& PersistedValues::get() {
    static PersistedValues values;
    return values;
}

PersistedValues::PersistedValues()
    : journal(Layout::JOURNAL),
      used(WearRecord::read()),
      asOf(Clock::seconds()),
      timer(bind<PersistedValues, &PersistedValues::onTimer>, this),
      beforeEnd(
          [](void* object, uint32_t pause) { static_cast<PersistedValues*>(object)->flush(pause); },
          this) {}

bool PersistedValues::add(PersistedValue& value, PersistedValue::Stored& out) {
    if (!isName(value.name)) {
        ESPER_WARNING("persisted", "not kept, as its name is wrong: %s", value.name);
        return false;
    }
    for (const PersistedValue* other = first; other != nullptr; other = other->next) {
        if (strcmp(other->name, value.name) == 0) {
            ESPER_WARNING("persisted", "not kept, as another has its name: %s", value.name);
            return false;
        }
    }
    if (total + value.space() > Entries::MAX_SIZE) {
        ESPER_WARNING("persisted", "not kept, as all together have %u bytes: %s",
                      static_cast<unsigned>(Entries::MAX_SIZE), value.name);
        return false;
    }
    total += value.space();
    value.kept = true;
    value.next = first;
    first = &value;

    Record record;
    if (!journal.load(record)) {
        ESPER_WARNING("persisted", "not read, takes the standard value: %s", value.name);
        return false;
    }
    Entries::Entry entry;
    if (!record.entries().find(value.name, Entries::Type::BYTES, entry) ||
        entry.length < PersistedValue::HEADER || entry.length > PersistedValue::MAX_ENTRY) {
        return false;
    }
    out.version = static_cast<uint16_t>(entry.value[0] | entry.value[1] << 8);
    out.length = static_cast<uint8_t>(entry.length - PersistedValue::HEADER);
    memcpy(out.bytes, entry.value + PersistedValue::HEADER, out.length);
    return true;
}

void PersistedValues::schedule(uint32_t within) {
    const uint32_t now = Clock::milliseconds();
    uint32_t wait = within < LONGEST ? within : LONGEST;
    blocked = blocked && static_cast<int32_t>(notBefore - now) > 0;
    if (blocked && wait < notBefore - now) {
        wait = notBefore - now;
    }
    if (scheduled && static_cast<int32_t>(now + wait - due) >= 0) {
        return;
    }
    scheduled = true;
    due = now + wait;
    timer.once(wait < Timer::LONGEST ? wait : Timer::LONGEST);
}

void PersistedValues::onTimer() {
    const uint32_t left = due - Clock::milliseconds();
    scheduled = false;
    if (static_cast<int32_t>(left) > 0) {
        schedule(left);
    } else {
        save();
    }
}

void PersistedValues::flush(uint32_t pause) {
    save();
    const uint32_t now = spent();
    const uint32_t refilled = pause < BURST ? pause * REFILL : BURST;
    WearRecord::write(now > refilled ? now - refilled : 0);
}

// Of the bytes that may be written at once, those that were.
uint32_t PersistedValues::spent() {
    const uint32_t now = Clock::seconds();
    const uint32_t passed = now - asOf;
    const uint32_t refilled = passed < BURST ? passed * REFILL : BURST;
    used = used > refilled ? used - refilled : 0;
    asOf = now;
    return used;
}

// Writes what is unsaved, or has it written later.
void PersistedValues::save() {
    Record record;
    if (!unsaved()) {
        return;
    }
    if (!journal.load(record)) {
        later(RETRY, "not saved, no memory");
        return;
    }
    const Entries old = record.entries();
    if (!prune(old)) {
        return;
    }
    const uint32_t both = old.size() + total;
    const uint32_t capacity = both < Entries::MAX_SIZE ? both : Entries::MAX_SIZE;
    uint8_t* const buffer = static_cast<uint8_t*>(pvPortMalloc(capacity, "", 0, false));
    if (buffer == nullptr) {
        later(RETRY, "not saved, no memory");
        return;
    }
    write(merged(old, buffer, capacity));
    vPortFree(buffer, "", 0);
}

void PersistedValues::write(const Entries& entries) {
    const uint32_t wanted = spent() + journal.cost(entries.size());
    if (wanted > BURST) {
        later((wanted - BURST + REFILL - 1) / REFILL * 1000, "too many changes");
        return;
    }
    used = wanted;
    WearRecord::write(used);
    if (!journal.save(entries)) {
        later(RETRY, "not saved");
        return;
    }
    for (PersistedValue* value = first; value != nullptr; value = value->next) {
        value->unsaved = false;
    }
}

// Has what is unsaved written after so many ms, and not before.
void PersistedValues::later(uint32_t wait, const char* why) {
    ESPER_WARNING("persisted", "%s, again in %u s", why, static_cast<unsigned>(wait / 1000));
    notBefore = Clock::milliseconds() + wait;
    blocked = true;
    schedule(wait);
}

bool PersistedValues::unsaved() const {
    bool any = false;
    for (const PersistedValue* value = first; value != nullptr; value = value->next) {
        any |= value->unsaved;
    }
    return any;
}

// Takes as saved what the record holds as it is. False: that is all.
bool PersistedValues::prune(const Entries& old) {
    for (PersistedValue* value = first; value != nullptr; value = value->next) {
        uint8_t bytes[PersistedValue::MAX_ENTRY];
        Entries::Entry there;
        if (value->unsaved && old.find(value->name, Entries::Type::BYTES, there)) {
            const Entries::Entry wanted = value->entry(bytes);
            value->unsaved = there.length != wanted.length ||
                             memcmp(there.value, wanted.value, wanted.length) != 0;
        }
    }
    return unsaved();
}

// The entries of the record with what is unsaved. If that is too much, all values as they are, and
// nothing else.
Entries PersistedValues::merged(const Entries& old, uint8_t* buffer, uint32_t capacity) const {
    EntriesWriter first(buffer, capacity);
    Entries::Entry entry;
    for (uint32_t at = 0; old.next(at, entry);) {
        const PersistedValue* const value = named(entry);
        if (value == nullptr || !value->unsaved) {
            first.add(entry);
        }
    }
    add(first, false);
    if (first.fits()) {
        return first.entries();
    }
    EntriesWriter second(buffer, capacity);
    add(second, true);
    return second.entries();
}

void PersistedValues::add(EntriesWriter& out, bool all) const {
    for (const PersistedValue* value = first; value != nullptr; value = value->next) {
        uint8_t bytes[PersistedValue::MAX_ENTRY];
        if (all || value->unsaved) {
            out.add(value->entry(bytes));
        }
    }
}

const PersistedValue* PersistedValues::named(const Entries::Entry& entry) const {
    const PersistedValue* value = first;
    while (value != nullptr && !entry.isNamed(value->name)) {
        value = value->next;
    }
    return value;
}

}  // namespace esper
