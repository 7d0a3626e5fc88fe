#pragma once

#include <stdint.h>

#include "Journal.h"
#include "Persisted.h"
#include "Reset.h"
#include "Timer.h"

namespace esper {

// The values, their journal, and when it is written. There is one, made with the first value.
class PersistedValues {
  public:
    PersistedValues();
    static PersistedValues& get();

    bool add(PersistedValue& value, PersistedValue::Stored& out);
    void schedule(uint32_t within);

    // Writes what is unsaved, as far as the wear allows it. Pause: seconds of deep sleep that
    // follow.
    void flush(uint32_t pause);

  private:
    void onTimer();
    void save();
    bool unsaved() const;
    bool prune(const Entries& old);
    Entries merged(const Entries& old, uint8_t* buffer, uint32_t capacity) const;
    void add(EntriesWriter& out, bool all) const;
    const PersistedValue* named(const Entries::Entry& entry) const;
    void write(const Entries& entries);
    void later(uint32_t wait, const char* why);
    uint32_t spent();

    PersistedValue* first = nullptr;
    uint32_t total = 0;  // bytes of their entries
    Journal journal;
    bool scheduled = false;
    bool blocked = false;    // nothing is written before that:
    uint32_t notBefore = 0;  // ms
    uint32_t due = 0;        // ms
    uint32_t used;           // bytes of the journal, of late
    uint32_t asOf;           // s
    SystemTimer timer;
    BeforeEnd beforeEnd;
};

}  // namespace esper
