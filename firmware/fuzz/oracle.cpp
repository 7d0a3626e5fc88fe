// Answers what the C++ side makes of inputs, so that the Go side can be compared with it
// (differential_test.go).
#include <esper/BootConfiguration.h>
#include <esper/BootRecord.h>
#include <esper/Delta.h>
#include <esper/Relocation.h>
#include <esper/VersionFile.h>

#include <memory>
#include <string>
#include <vector>

#include "bootloader/configuration.h"
#include "bootloader/image.h"
#include "chip.h"
#include "esper/Sha256.h"
#include "fuzz.h"

using namespace esper;

namespace {

std::string hex(const uint8_t* bytes, size_t length) {
    std::string out;
    for (size_t i = 0; i < length; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", bytes[i]);
        out += digits;
    }
    return out;
}

std::string digestOf(Sha256& sha) {
    uint8_t digest[Sha256::SIZE];
    sha.finish(digest);
    return hex(digest, sizeof digest);
}

// The version, the sequence and each slot's signatures.
std::string versionFile(const uint8_t* data, size_t size) {
    Release release;
    if (!release.parse(reinterpret_cast<const char*>(data), size)) {
        return "malformed";
    }
    std::string answer = release.version;
    answer += " " + std::to_string(release.sequence);
    for (int slot = 0; slot < 2; slot++) {
        for (size_t i = 0; i < release.signers[slot]; i++) {
            answer += " " + std::to_string(slot) + ":" + hex(release.signatures[slot][i], 64);
        }
    }
    return answer;
}

// The slot to boot, as the bootloader and as the framework read it.
std::string bootConfiguration(const uint8_t* data, size_t size) {
    resetChip();
    Input(data, size).take(flash + 0x001000, 0x1000);
    BootConfiguration framework;
    memcpy(&framework, flash + 0x001000, sizeof framework);
    const uint32_t slot = readConfiguration();
    const uint32_t other = framework.readable() ? framework.current : SLOTS;
    return std::to_string(slot) + " " + std::to_string(other);
}

// The four modes and slots of the RTC record.
std::string record(const uint8_t* data, size_t size) {
    uint32_t words[BootRecord::WORDS] = {};
    Input(data, size).take(words, sizeof words);
    const BootRecord r = BootRecord::of(words);
    uint32_t written[BootRecord::WORDS];
    r.put(written);
    const uint8_t fields[] = {r.nextMode, r.lastMode, r.lastRom, r.tempRom};
    return hex(fields, sizeof fields) + " " + hex(reinterpret_cast<uint8_t*>(written), 12);
}

// The slots for which the framework takes the descriptor.
std::string slotsOf(const uint8_t* data, size_t size) {
    Descriptor d = {};
    Input(data, size).take(&d, sizeof d);
    std::string answer = "slots";
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (isDescriptor(d, slot)) {
            answer += " " + std::to_string(slot);
        }
    }
    return answer;
}

// What the bootloader makes of the slot that the first byte names and the rest fills: why it
// does not boot; or its entry address and the digest of all RAM for firmware, once loaded.
std::string image(const uint8_t* data, size_t size) {
    resetChip();
    Input input(data, size);
    const uint32_t slot = input.byte() & 1;
    putImage(slot, input.rest(), input.size(), false);
    Image image;
    read(image, slot);
    verify(image);
    if (image.verdict != VERIFIED) {
        return std::string("refused: ") + image.refusal;
    }
    void* const dram = reinterpret_cast<void*>(0x3FFE8000);
    void* const iram = reinterpret_cast<void*>(0x40100000);
    memset(dram, 0, 0x12000);
    memset(iram, 0, 0x8000);
    const uint32_t entry = load(image);
    Sha256 sha;
    sha.update(dram, 0x12000);
    sha.update(iram, 0x8000);
    return std::to_string(entry) + " " + digestOf(sha);
}

// What a delta makes of the image that it stands behind: why it makes nothing, or the digest. The
// input comes in pieces of a length that the first byte gives; the next four are the image's
// length.
std::string delta(const uint8_t* data, size_t size) {
    Input input(data, size);
    const uint32_t piece = input.byte() + 1u;
    uint32_t imageSize = input.word();
    std::vector<uint32_t> source(imageSize / 4 + 1);
    imageSize = static_cast<uint32_t>(input.take(source.data(), imageSize));
    Relocation relocation;
    if (imageSize < Layout::DESCRIPTOR + sizeof(Descriptor) || !relocation.begin(source.data()) ||
        relocation.size() > imageSize) {
        return "no source";
    }
    const uint32_t sequence = input.word();
    const uint32_t slot = source[(Layout::DESCRIPTOR + offsetof(Descriptor, slot)) / 4] & 1;
    std::vector<uint32_t> sector(Layout::SECTOR / 4);  // its end guarded
    std::vector<uint8_t> made;
    const auto d = std::make_unique<Delta>();
    d->begin(relocation, sequence, Layout::slot(1 - slot), sector.data());
    for (;;) {
        switch (d->proceed(input.size() == 0)) {
            case Delta::Result::HUNGRY: {
                PROMISE(d->input.room() > 0);
                uint8_t part[256];
                const uint32_t room = d->input.room();
                d->input.add(part,
                             static_cast<uint32_t>(input.take(part, piece < room ? piece : room)));
                continue;
            }
            case Delta::Result::SECTOR:
                made.resize(d->size());
                PROMISE(d->place() + d->length() <= made.size() && d->made() <= made.size() + 3);
                memcpy(made.data() + d->place(), sector.data(), d->length());
                if (d->place() == 0) {
                    Sha256 sha;
                    sha.update(made.data(), made.size());
                    return digestOf(sha);
                }
                d->next();
                continue;
            case Delta::Result::MALFORMED:
                return "malformed";
            case Delta::Result::SOURCE:
                return "another source";
            case Delta::Result::TARGET:
                return "another target";
        }
    }
}

// The image for the other slot that a device makes of one, as its digest; without the trailer.
std::string relocated(const uint8_t* data, size_t size) {
    std::vector<uint32_t> source(size / 4);
    Input(data, size).take(source.data(), size / 4 * 4);
    Relocation relocation;
    if (size < Layout::DESCRIPTOR + sizeof(Descriptor) || !relocation.begin(source.data()) ||
        relocation.size() > size) {
        return "no source";
    }
    Sha256 sha;
    for (uint32_t i = 0; i < relocation.size() - Sha256::SIZE; i += 4) {
        const uint32_t word = relocation.word(i);
        sha.update(&word, 4);
    }
    return digestOf(sha);
}

}  // namespace

std::string answer(char question, const uint8_t* data, size_t size) {
    switch (question) {
        case 'v':
            return versionFile(data, size);
        case 'c':
            return bootConfiguration(data, size);
        case 'r':
            return record(data, size);
        case 'd':
            return slotsOf(data, size);
        case 'i':
            return image(data, size);
        case 'p':
            return delta(data, size);
        case 'o':
            return relocated(data, size);
        default:
            return "no such question";
    }
}
