#include "Entries.h"

#include <string.h>

namespace esper {

namespace {

constexpr uint32_t MAX_NAME = 32;
constexpr uint32_t KEY = 32;  // bytes

bool isName(const char* name, uint32_t length) {
    if (length == 0 || length > MAX_NAME) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        const char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.' &&
            c != '-') {
            return false;
        }
    }
    return true;
}

bool isValue(const Entries::Entry& entry) {
    switch (entry.type) {
        case Entries::Type::TEXTS:
            return entry.length == 0 || entry.value[entry.length - 1] == 0;
        case Entries::Type::NUMBER:
            return entry.length == 0 || entry.length == 4;
        case Entries::Type::BYTES:
            return true;
    }
    return false;
}

bool isSequence(const Entries::Entry& entry) {
    return entry.isNamed("sequence") || entry.isNamed("device.sequence");
}

}  // namespace

bool Entries::Entry::isNamed(const char* text) const {
    return strlen(text) == nameLength && memcmp(name, text, nameLength) == 0;
}

bool Entries::Entry::isNamed(const Entry& other) const {
    return nameLength == other.nameLength && memcmp(name, other.name, nameLength) == 0;
}

bool Entries::Entry::begins(const char* text) const {
    const size_t length = strlen(text);
    return length <= nameLength && memcmp(name, text, length) == 0;
}

bool Entries::next(uint32_t& at, Entry& out) const {
    if (at + Entry::HEADER > used) {
        return false;
    }
    const uint8_t* const entry = bytes + at;
    out.type = static_cast<Type>(entry[0]);
    out.nameLength = entry[1];
    out.length = entry[2] | static_cast<uint32_t>(entry[3]) << 8;
    out.name = reinterpret_cast<const char*>(entry + Entry::HEADER);
    out.value = entry + Entry::HEADER + out.nameLength;
    if (out.size() > used - at) {
        return false;
    }
    at += out.size();
    return true;
}

bool Entries::valid() const {
    uint32_t at = 0;
    Entry entry;
    while (next(at, entry)) {
        if (!isName(entry.name, entry.nameLength) || !isValue(entry)) {
            return false;
        }
        uint32_t before = 0;
        Entry other;
        while (next(before, other) && before < at) {
            if (other.isNamed(entry)) {
                return false;
            }
        }
    }
    return at == used && used <= MAX_SIZE;
}

bool Entries::complete() const {
    uint32_t at = 0;
    Entry entry;
    while (next(at, entry)) {
        if (entry.length == 0) {
            return false;
        }
    }
    return true;
}

bool Entries::find(const char* name, Type type, Entry& out) const {
    uint32_t at = 0;
    while (next(at, out)) {
        if (out.isNamed(name)) {
            return out.type == type && out.length > 0;
        }
    }
    return false;
}

const char* Entries::text(const char* name, unsigned index) const {
    Entry entry;
    if (!find(name, Type::TEXTS, entry)) {
        return "";
    }
    const char* text = reinterpret_cast<const char*>(entry.value);
    const char* const end = text + entry.length;
    for (; index > 0 && text < end; index--) {
        text += strlen(text) + 1;
    }
    return text < end ? text : "";
}

int32_t Entries::number(const char* name) const {
    Entry entry;
    int32_t value = 0;
    if (find(name, Type::NUMBER, entry)) {
        memcpy(&value, entry.value, sizeof(value));
    }
    return value;
}

const uint8_t* Entries::key(const char* name) const {
    Entry entry;
    return find(name, Type::BYTES, entry) && entry.length == KEY ? entry.value : nullptr;
}

uint8_t* EntriesWriter::put(Entries::Type type, const char* name, uint32_t nameLength,
                            uint32_t length) {
    const uint32_t size = Entries::Entry::HEADER + nameLength + length;
    if (!whole || size > capacity - used) {
        whole = false;
        return nullptr;
    }
    uint8_t* const entry = buffer + used;
    entry[0] = static_cast<uint8_t>(type);
    entry[1] = static_cast<uint8_t>(nameLength);
    entry[2] = static_cast<uint8_t>(length);
    entry[3] = static_cast<uint8_t>(length >> 8);
    memcpy(entry + Entries::Entry::HEADER, name, nameLength);
    used += size;
    return entry + Entries::Entry::HEADER + nameLength;
}

EntriesWriter& EntriesWriter::add(const Entries::Entry& entry) {
    uint8_t* const value = put(entry.type, entry.name, entry.nameLength, entry.length);
    if (value != nullptr) {
        memcpy(value, entry.value, entry.length);
    }
    return *this;
}

EntriesWriter& EntriesWriter::text(const char* name, const char* text) {
    const uint32_t length = static_cast<uint32_t>(strlen(text) + 1);
    return add({Entries::Type::TEXTS, name, static_cast<uint32_t>(strlen(name)),
                reinterpret_cast<const uint8_t*>(text), length});
}

EntriesWriter& EntriesWriter::number(const char* name, int32_t number) {
    return add({Entries::Type::NUMBER, name, static_cast<uint32_t>(strlen(name)),
                reinterpret_cast<const uint8_t*>(&number), sizeof(number)});
}

EntriesWriter& EntriesWriter::merge(const Entries& record, const Entries& changes,
                                    const char* without) {
    uint32_t at = 0;
    Entries::Entry entry, change;
    bool networks = false;
    while (changes.next(at, entry)) {
        networks |= entry.begins("wifi.");
    }
    for (at = 0; record.next(at, entry);) {
        bool replaced = (networks && entry.begins("wifi.")) || entry.isNamed(without);
        for (uint32_t i = 0; !replaced && changes.next(i, change);) {
            replaced = change.isNamed(entry) && !isSequence(change);
        }
        if (!replaced) {
            add(entry);
        }
    }
    for (at = 0; changes.next(at, entry);) {
        if (entry.length > 0 && !isSequence(entry)) {
            add(entry);
        }
    }
    return *this;
}

}  // namespace esper
