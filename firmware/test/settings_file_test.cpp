#include <esper/Entries.h>
#include <esper/SettingsFile.h>

#include <cstring>
#include <vector>

#include "check.h"

using namespace esper;

namespace {

// A settings file of zeros where nothing matters.
struct File {
    std::string type = "socket";
    std::string chip;
    uint32_t sequence = 42;
    uint32_t entries = 20;
    uint32_t keys = 1;
    size_t signatures = 1;

    std::vector<uint8_t> bytes() const {
        std::vector<uint8_t> out(96 + 72 * keys + entries + 64 * signatures);
        memcpy(out.data(), "ESPS\1\0\0\0", 8);
        memcpy(out.data() + 8, type.data(), type.size());
        memcpy(out.data() + 40, chip.data(), chip.size());
        memcpy(out.data() + 48, &sequence, 4);
        memcpy(out.data() + 52, &entries, 2);
        memcpy(out.data() + 54, &keys, 2);
        return out;
    }

    bool parses() const {
        std::vector<uint8_t> file = bytes();
        SettingsFile release;
        return release.parse(file.data(), file.size());
    }

    UpdateError decide(uint32_t own, bool& accept) const {
        std::vector<uint8_t> file = bytes();
        SettingsFile release;
        CHECK(release.parse(file.data(), file.size()));
        return release.decide("socket", "00c0de", own, &accept);
    }
};

File changed(void (*change)(File& file)) {
    File file;
    change(file);
    return file;
}

}  // namespace

TEST(a_settings_file_is_well_formed) {
    CHECK(File().parses());
    CHECK(changed([](File& f) { f.type = std::string(31, 't'); }).parses());
    CHECK(!changed([](File& f) { f.type = std::string(32, 't'); }).parses());
    CHECK(!changed([](File& f) { f.type = ""; }).parses());
    CHECK(!changed([](File& f) { f.type = std::string("a\0b", 3); }).parses());
    CHECK(changed([](File& f) { f.chip = "00c0de"; }).parses());
    CHECK(!changed([](File& f) { f.chip = "00c0de00"; }).parses());
    CHECK(!changed([](File& f) { f.chip = std::string("\0\0c0de", 6); }).parses());
    CHECK(changed([](File& f) { f.sequence = 0x7FFFFFFF; }).parses());
    CHECK(!changed([](File& f) { f.sequence = 0x80000000; }).parses());
    CHECK(changed([](File& f) { f.entries = 1; }).parses());
    CHECK(changed([](File& f) { f.entries = 2048; }).parses());
    CHECK(!changed([](File& f) { f.entries = 0; }).parses());
    CHECK(!changed([](File& f) { f.entries = 2049; }).parses());
    for (uint32_t n = 0; n <= 4; n++) {
        File keys, signatures;
        keys.keys = n;
        signatures.signatures = n;
        CHECK_EQUAL(keys.parses(), n >= 1 && n <= 3);
        CHECK_EQUAL(signatures.parses(), n >= 1 && n <= 3);
    }
    // What is largest in all is within the limit: 96 + 3 * 72 + 2,048 + 3 * 64 = 2,552.
    CHECK(changed([](File& f) {
              f.entries = 2048;
              f.keys = 3;
              f.signatures = 3;
          }).parses());
}

TEST(a_settings_file_of_another_length_is_malformed) {
    std::vector<uint8_t> whole = File().bytes();
    for (size_t length = 0; length < whole.size() + 200; length++) {
        std::vector<uint8_t> cut = whole;
        cut.resize(length);
        SettingsFile release;
        const bool right = length >= whole.size() && (length - whole.size()) % 64 == 0 &&
                           length <= whole.size() + 128;
        CHECK_EQUAL(release.parse(cut.data(), length), right);
    }
    std::vector<uint8_t> large(SettingsFile::MAX_SIZE + 1);
    memcpy(large.data(), whole.data(), whole.size());
    SettingsFile release;
    CHECK(!release.parse(large.data(), large.size()));
}

TEST(magic_and_format_must_be_right) {
    for (size_t i = 0; i < 8; i++) {
        std::vector<uint8_t> file = File().bytes();
        file[i] ^= 0x20;
        SettingsFile release;
        CHECK(!release.parse(file.data(), file.size()));
    }
}

TEST(settings_are_for_a_type_and_a_chip) {
    bool accept;
    CHECK(File().decide(41, accept) == UpdateError::NONE);
    CHECK(accept);
    CHECK(changed([](File& f) { f.type = "*"; }).decide(41, accept) == UpdateError::NONE);
    CHECK(changed([](File& f) { f.chip = "00c0de"; }).decide(41, accept) == UpdateError::NONE);
    for (const char* type : {"sockets", "socke", "Socket", "**", "* "}) {
        File file;
        file.type = type;
        CHECK(file.decide(41, accept) == UpdateError::WRONG_DEVICE);
        CHECK(!accept);
    }
    for (const char* chip : {"00c0df", "00c0d", "00C0DE", "*"}) {
        File file;
        file.chip = chip;
        CHECK(file.decide(41, accept) == UpdateError::WRONG_DEVICE);
        CHECK(!accept);
    }
}

TEST(settings_are_newer_but_not_by_more_than_a_million) {
    bool accept;
    CHECK(File().decide(42, accept) == UpdateError::NONE);
    CHECK(!accept);
    CHECK(File().decide(43, accept) == UpdateError::NOT_NEWER);
    CHECK(File().decide(UINT32_MAX, accept) == UpdateError::NOT_NEWER);
    File far;
    far.sequence = 1000007;
    CHECK(far.decide(7, accept) == UpdateError::NONE);
    CHECK(accept);
    CHECK(far.decide(6, accept) == UpdateError::SEQUENCE_JUMP);
    CHECK(!accept);
}

TEST(what_is_signed_is_told_apart_by_every_field) {
    const uint8_t digest[32] = {0xAB};
    char text[192];
    size_t size = 0;
    File file;
    std::vector<uint8_t> bytes = file.bytes();
    SettingsFile release;
    CHECK(release.parse(bytes.data(), bytes.size()));
    CHECK(release.signedText(digest, text, sizeof text, size));
    const std::string rest = "sequence 42\nsha256 ab" + std::string(62, '0') + "\n";
    CHECK_EQUAL(std::string(text, size), "esper settings 1\ndevice socket\nchip *\n" + rest);
    file.type = std::string(31, 't');
    file.chip = "00c0de";
    bytes = file.bytes();
    CHECK(release.parse(bytes.data(), bytes.size()));
    CHECK(release.signedText(digest, text, sizeof text, size));
    CHECK_EQUAL(std::string(text, size),
                "esper settings 1\ndevice " + file.type + "\nchip 00c0de\n" + rest);
    CHECK(!release.signedText(digest, text, size, size));
}
