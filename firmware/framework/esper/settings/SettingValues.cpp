#include "SettingValues.h"

#include <string.h>
#include <user_interface.h>

#include "../BootConfiguration.h"
#include "../Clock.h"
#include "../Device.h"
#include "../Log.h"
#include "../Store.h"
#include "../Text.h"
#include "SettingRule.h"

namespace esper {

namespace {

constexpr char PREFIX[] = "setting/";  // of the topics

// When a change is written: soon, as the power may be cut; but a sector of flash can be erased
// 100,000 times only. So there are at most BURST writes at once and one more every REFILL, however
// many commands come: at worst 96 a day.
constexpr uint32_t SOON = 100;    // ms after the change
constexpr uint32_t GAP = 1000;    // ms between two writes
constexpr uint32_t BURST = 20;    // writes
constexpr uint32_t REFILL = 900;  // s

constexpr Store store(Layout::VALUES);

// Of a decimal number without blanks, plus or leading zeros.
bool parseNumber(const char* text, size_t length, int32_t& out) {
    const bool negative = length > 0 && text[0] == '-';
    const size_t first = negative ? 1 : 0;
    const size_t digits = length - first;
    if (digits < 1 || digits > 10 || (text[first] == '0' && length > 1)) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = first; i < length; i++) {
        const uint32_t digit = static_cast<uint32_t>(text[i] - '0');
        if (digit > 9 || value > 214748364 || (value == 214748364 && digit > (negative ? 8 : 7))) {
            return false;
        }
        value = 10 * value + digit;
    }
    out = static_cast<int32_t>(negative ? 0 - value : value);
    return true;
}

}  // namespace

const char* Setting::name() const {
    return topic + sizeof(PREFIX) - 1;
}

int32_t NumberSetting::get() const {
    SettingValues::load();
    return number;
}

bool SwitchSetting::get() const {
    SettingValues::load();
    return number != 0;
}

const char* TextSetting::get() const {
    SettingValues::load();
    return text;
}

bool TextSetting::is(const char* value) const {
    return strcmp(get(), value) == 0;
}

size_t TextSetting::index() const {
    return SettingRule(rule).option(get(), strlen(text));
}

SettingValues::SettingValues(Device* device, const uint32_t* declarations, size_t length)
    : Service(device),
      declarations(declarations),
      length(length),
      timer(bind<SettingValues, &SettingValues::save>, this) {
    load();
}

void SettingValues::load() {
    static bool loaded = false;
    if (loaded) {
        return;
    }
    loaded = true;
    Store::Record record;
    store.load(record);
    const Entries entries = record.entries();
    for (size_t i = 0; i < count; i++) {
        Setting& setting = *all[i];
        const SettingRule rule(setting.rule);
        Entries::Entry entry;
        if (setting.text == nullptr) {
            const bool there = entries.find(setting.name(), Entries::Type::NUMBER, entry);
            const int32_t number = entries.number(setting.name());
            setting.stored = there && rule.allows(number);
            setting.number = setting.stored ? number : rule.standard();
        } else {
            const bool there = entries.find(setting.name(), Entries::Type::TEXTS, entry);
            const char* const text = reinterpret_cast<const char*>(entry.value);
            setting.stored = there && rule.allows(text, entry.length - 1);
            if (setting.stored) {
                memcpy(setting.text, text, entry.length);
            } else {
                rule.standard(setting.text);
            }
        }
    }
}

bool SettingValues::take(Setting& setting, const char* payload, size_t size) {
    const SettingRule rule(setting.rule);
    const bool given = size > 0;
    bool changed;
    if (setting.text == nullptr) {
        int32_t wanted = rule.standard();
        if (given && !(parseNumber(payload, size, wanted) && rule.allows(wanted))) {
            return false;
        }
        changed = setting.number != wanted;
        setting.number = wanted;
    } else {
        char wanted[SettingRule::MAX_TEXT + 1];
        if (!given) {
            rule.standard(wanted);
        } else if (rule.allows(payload, size)) {
            memcpy(wanted, payload, size);
            wanted[size] = 0;
        } else {
            return false;
        }
        changed = strcmp(setting.text, wanted) != 0;
        if (changed) {
            strcpy(setting.text, wanted);
        }
    }
    if (changed || setting.stored != given) {
        setting.stored = given;
        setting.unsaved = true;
        schedule();
    }
    if (changed && setting.listener != nullptr) {
        setting.listener(setting.of);
    }
    return true;
}

void SettingValues::schedule() {
    if (scheduled) {
        return;
    }
    scheduled = true;
    const uint32_t since = Clock::milliseconds() - lastWrite;
    uint32_t wait = since < GAP - SOON ? GAP - since : SOON;
    const uint32_t now = Clock::seconds();
    if (exhausted > now + (BURST - 1) * REFILL) {
        wait = (exhausted - now - (BURST - 1) * REFILL) * 1000;
        ESPER_WARNING("settings", "too many changes, saved in %u s",
                      static_cast<unsigned>(wait / 1000));
    }
    timer.once(wait);
}

// Whether the record holds what the setting is.
static bool holds(const Entries& entries, const char* name, const char* text, int32_t number,
                  bool stored) {
    Entries::Entry entry;
    if (!stored) {
        return !entries.find(name, Entries::Type::NUMBER, entry) &&
               !entries.find(name, Entries::Type::TEXTS, entry);
    }
    if (text == nullptr) {
        return entries.find(name, Entries::Type::NUMBER, entry) && entries.number(name) == number;
    }
    return entries.find(name, Entries::Type::TEXTS, entry) &&
           strcmp(reinterpret_cast<const char*>(entry.value), text) == 0;
}

void SettingValues::save() {
    scheduled = false;
    Store::Record record;
    store.load(record);
    const Entries old = record.entries();
    bool differs = false;
    for (size_t i = 0; i < count; i++) {
        Setting& s = *all[i];
        s.unsaved = s.unsaved && !holds(old, s.name(), s.text, s.number, s.stored);
        differs |= s.unsaved;
    }
    if (!differs) {
        return;
    }
    exhausted = (exhausted > Clock::seconds() ? exhausted : Clock::seconds()) + REFILL;
    // Were there no memory for the record that was to be read, there would be none for this.
    uint8_t* const buffer = static_cast<uint8_t*>(pvPortMalloc(Entries::MAX_SIZE, "", 0, false));
    const bool done = buffer != nullptr && store.save(merged(old, buffer));
    vPortFree(buffer, "", 0);
    lastWrite = Clock::milliseconds();
    if (!done) {
        ESPER_ERROR("settings", "not saved");
        schedule();
        return;
    }
    for (size_t i = 0; i < count; i++) {
        all[i]->unsaved = false;
    }
}

// The entries of the record with what is unsaved. Entries of other firmware's settings are kept for
// it as far as there is room.
Entries SettingValues::merged(const Entries& old, uint8_t* buffer) {
    EntriesWriter first(buffer, Entries::MAX_SIZE);
    merge(old, true, first);
    if (first.fits()) {
        return first.entries();
    }
    EntriesWriter second(buffer, Entries::MAX_SIZE);
    merge(old, false, second);
    return second.entries();
}

void SettingValues::merge(const Entries& old, bool others, EntriesWriter& out) {
    Entries::Entry entry;
    for (uint32_t at = 0; old.next(at, entry);) {
        const Setting* known = nullptr;
        for (size_t i = 0; i < count; i++) {
            known = entry.isNamed(all[i]->name()) ? all[i] : known;
        }
        if (known != nullptr ? !known->unsaved : others) {
            out.add(entry);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const Setting& s = *all[i];
        if (s.unsaved && s.stored) {
            s.text == nullptr ? out.number(s.name(), s.number) : out.text(s.name(), s.text);
        }
    }
}

void SettingValues::report() {
    const size_t words = (length + 3) / 4;
    uint32_t* const copy = static_cast<uint32_t*>(pvPortMalloc(4 * words, "", 0, false));
    if (copy == nullptr) {
        ESPER_ERROR("settings", "no memory");
        return;  // until the next connection
    }
    for (size_t i = 0; i < words; i++) {
        copy[i] = const_cast<const volatile uint32_t*>(declarations)[i];
    }
    publish("setting", reinterpret_cast<const char*>(copy), length);
    vPortFree(copy, "", 0);
}

SettingTopic::SettingTopic(Device* device, SettingValues& values, Setting& setting)
    : Service(device),
      values(values),
      setting(setting),
      commands(device, Subscription::Scope::ONE, setting.topic, "set",
               receive<SettingTopic, &SettingTopic::onCommand>, this) {}

void SettingTopic::report() {
    if (setting.text != nullptr) {
        publish(setting.topic, setting.text, strlen(setting.text));
        return;
    }
    char buffer[12];
    Text text(buffer, sizeof(buffer));
    text.number(setting.number);
    publish(setting.topic, text.text(), text.length());
}

// Each command is answered by the value that it led to, so that a refused one is seen as such.
void SettingTopic::onCommand(const char* payload, size_t length) {
    if (!values.take(setting, payload, length)) {
        ESPER_WARNING("settings", "%s: refused", setting.topic);
    }
    report();
}

}  // namespace esper
