// The input is what lies in the journal: parts, each of a kind in 1 byte, 2 bytes of length, and
// that many bytes, which are put one behind the other from the first sector on. 0: as they are; 1:
// a record of these entries, with the generation in the first 4 bytes; 2: erased flash; 3: on to
// the next sector.
#include <esper/Journal.h>
#include <esper/Sha256.h>

#include <vector>

#include "chip.h"
#include "fuzz.h"

using namespace esper;

namespace {

constexpr uint32_t AT = 0x080000;
constexpr uint32_t SIZE = Journal::CAPACITY;

std::vector<uint8_t> record(const std::vector<uint8_t>& part) {
    std::vector<uint8_t> out = {'E', 'S', 'P', 's', 1, 0, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        out.push_back(i < part.size() ? part[i] : 0);
    }
    const uint32_t size = static_cast<uint32_t>(part.size() > 4 ? part.size() - 4 : 0);
    for (unsigned i = 0; i < 4; i++) {
        out.push_back(static_cast<uint8_t>(size >> (8 * i)));
    }
    out.insert(out.end(), part.end() - size, part.end());
    uint8_t digest[Sha256::SIZE];
    Sha256 sum;
    sum.update(out.data(), out.size());
    sum.finish(digest);
    out.insert(out.end(), digest, digest + sizeof(digest));
    out.resize((out.size() + 3) / 4 * 4, 0xFF);
    return out;
}

// The generation of the record that counts, and its entries, by SPEC 12.7 and nothing of Journal's.
bool newest(uint32_t& generation, std::vector<uint8_t>& entries) {
    bool any = false;
    for (uint32_t sector = AT; sector < AT + SIZE; sector += 4096) {
        uint32_t at = 0;
        while (at + 48 <= 4096) {
            const uint8_t* const begin = flash + sector + at;
            uint32_t header[4];
            memcpy(header, begin, sizeof(header));
            if (header[0] != 0x73505345 || header[1] != 1 || header[3] > 2048 ||
                at + 48 + header[3] > 4096) {
                break;
            }
            std::vector<uint8_t> parts(4);
            memcpy(parts.data(), header + 2, 4);
            parts.insert(parts.end(), begin + 16, begin + 16 + header[3]);
            const std::vector<uint8_t> again = record(parts);
            if (memcmp(begin, again.data(), 48 + header[3]) != 0) {
                break;
            }
            if (!any || header[2] > generation) {
                any = true;
                generation = header[2];
                entries.assign(begin + 16, begin + 16 + header[3]);
            }
            at += (48 + header[3] + 3) / 4 * 4;
        }
    }
    return any;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    resetChip();
    memset(flash + AT, 0xFF, SIZE);
    Input input(data, size);
    uint32_t at = 0;
    while (input.size() > 0 && at < SIZE) {
        const uint8_t kind = input.byte();
        const size_t length = input.byte() | static_cast<size_t>(input.byte()) << 8;
        std::vector<uint8_t> part(kind == 0 || kind == 1 ? length : 0);
        part.resize(input.take(part.data(), part.size()));
        if (kind == 1 && part.size() <= 2052) {
            part = record(part);
        }
        const size_t room = SIZE - at;
        if (!part.empty()) {
            memcpy(flash + AT + at, part.data(), part.size() < room ? part.size() : room);
        }
        at += kind == 2   ? static_cast<uint32_t>(length)
              : kind == 3 ? 4096 - at % 4096
                          : static_cast<uint32_t>(part.size());
    }

    uint32_t generation = 0;
    std::vector<uint8_t> wanted;
    const bool any = newest(generation, wanted);
    const Entries rules(wanted.data(), static_cast<uint32_t>(wanted.size()));
    Journal journal(AT);
    Record found;
    PROMISE(journal.load(found));
    PROMISE(found.valid() == (any && rules.valid() && rules.complete()));
    PROMISE(!found.valid() || (found.entries().size() == wanted.size() &&
                               (wanted.empty() || memcmp(found.entries().data(), wanted.data(),
                                                         wanted.size()) == 0)));

    // What is saved is found from then on, if the generation has not come to its end.
    for (int32_t i = 0; generation < UINT32_MAX - 4 && i < 3; i++) {
        std::vector<uint8_t> buffer(Entries::MAX_SIZE);
        EntriesWriter writer(buffer.data(), Entries::MAX_SIZE);
        writer.number("a", i).text("b", i == 1 ? "text" : "");
        PROMISE(journal.cost(writer.entries().size()) <= 4096 + Record::space(20));
        PROMISE(journal.save(writer.entries()));
        uint32_t next = 0;
        PROMISE(newest(next, wanted) && next == generation + 1);
        generation = next;
        Journal start(AT);
        PROMISE(start.load(found) && found.entries().number("a") == i);
    }
    return 0;
}
