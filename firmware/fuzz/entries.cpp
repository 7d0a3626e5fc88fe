// The input is entries and changes to them: the length of the first in 2 bytes, then both.
#include <esper/Entries.h>

#include <initializer_list>
#include <vector>

#include "fuzz.h"

using namespace esper;

namespace {

// Looks at all that there is of valid entries.
uint32_t read(const Entries& entries) {
    uint32_t at = 0;
    uint32_t count = 0;
    size_t sum = 0;
    Entries::Entry entry;
    while (entries.next(at, entry)) {
        PROMISE(entry.nameLength >= 1 && entry.nameLength <= 32);
        char name[33] = {};
        memcpy(name, entry.name, entry.nameLength);
        PROMISE(strlen(name) == entry.nameLength && entry.isNamed(name) && entry.begins(name));
        Entries::Entry found;
        PROMISE(entries.find(name, entry.type, found) == (entry.length > 0));
        for (unsigned index = 0; index < 6; index++) {
            sum += strlen(entries.text(name, index));
        }
        sum += static_cast<size_t>(entries.number(name));
        const uint8_t* const key = entries.key(name);
        if (key != nullptr) {
            PROMISE(key == entry.value && entry.length == 32);
            sum += key[31];
        }
        count++;
    }
    PROMISE(at == entries.size());
    PROMISE(entries.text("no such name")[0] == 0 && entries.number("no such name") == 0);
    PROMISE(sum != SIZE_MAX);
    return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const size_t length = input.byte() | static_cast<size_t>(input.byte()) << 8;
    // Each of the very size, so that the sanitizer sees what is read behind it.
    std::vector<uint8_t> first(length < input.size() ? length : input.size());
    input.take(first.data(), first.size());
    const std::vector<uint8_t> second(input.rest(), input.rest() + input.size());
    const Entries record(first.data(), static_cast<uint32_t>(first.size()));
    const Entries changes(second.data(), static_cast<uint32_t>(second.size()));
    uint32_t at = 0;
    Entries::Entry entry;
    while (record.next(at, entry)) {  // whatever they are
        PROMISE(at <= record.size());
    }
    if (!record.valid() || !changes.valid()) {
        return 0;
    }
    const uint32_t most = read(record) + read(changes);
    for (const uint32_t capacity : {Entries::MAX_SIZE, 100u, 0u}) {
        std::vector<uint8_t> buffer(capacity);
        EntriesWriter writer(buffer.data(), capacity);
        writer.merge(record, changes, "sequence").number("sequence", 42);
        const Entries merged = writer.entries();
        PROMISE(merged.size() <= capacity && merged.valid());
        if (!writer.fits()) {
            continue;
        }
        PROMISE(merged.number("sequence") == 42);
        PROMISE(merged.number("device.sequence") == record.number("device.sequence"));
        PROMISE(!record.complete() || merged.complete());
        PROMISE(read(merged) <= most + 1);
    }
    return 0;
}
