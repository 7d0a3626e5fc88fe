#include <esper/VersionFile.h>

#include <cstring>
#include <vector>

#include "check.h"

using namespace esper;

namespace {

const std::string SIGNATURE0(128, 'a');
const std::string SIGNATURE1 = "0123456789abcdef" + std::string(112, '5');
const std::string FILE_TEXT = "8a1b2c3d\n" + SIGNATURE0 + "\n" + SIGNATURE1 + "\nsequence 42\n";

bool parse(const std::string& text, Release& release) {
    const std::vector<char> copy(text.begin(), text.end());  // its end is guarded
    return release.parse(copy.data(), copy.size());
}

bool valid(const std::string& text) {
    Release release;
    return parse(text, release);
}

std::string file(const std::string& version, const std::string& rest) {
    return version + "\n" + SIGNATURE0 + "\n" + SIGNATURE1 + "\n" + rest;
}

UpdateError decide(const char* version, uint32_t sequence, const char* own, uint32_t ownSequence,
                   bool* install) {
    Release release = {};
    strcpy(release.version, version);
    release.sequence = sequence;
    return release.decide(own, ownSequence, install);
}

}  // namespace

TEST(a_version_file_names_version_signatures_and_sequence) {
    Release release;
    CHECK(parse(FILE_TEXT, release));
    CHECK_EQUAL(release.version, "8a1b2c3d");
    CHECK_EQUAL(release.sequence, 42u);
    CHECK_EQUAL(release.signatures[0][0][63], 0xAA);
    CHECK_EQUAL(release.signatures[1][0][0], 0x01);
    CHECK_EQUAL(release.signatures[1][0][7], 0xEF);
}

TEST(the_last_line_may_lack_its_end_and_unknown_keys_are_ignored) {
    CHECK(valid(file("v", "sequence 1")));
    CHECK(valid(file("v", "channel stable\nsequence 1\nnotes see the web page\n")));
    CHECK(valid(file("v", "sequences 9\nsequence 1\n")));
}

TEST(further_keys_have_further_signatures) {
    const std::string zero = "signature0 " + SIGNATURE0 + "\n";
    const std::string one = "signature1 " + SIGNATURE1 + "\n";
    Release release;
    CHECK(parse(file("v", "sequence 1\n"), release));
    CHECK_EQUAL(release.signers[0] + release.signers[1], 2);
    CHECK(parse(file("v", zero + one + "sequence 1\n" + one), release));
    CHECK_EQUAL(release.signers[0], 2);
    CHECK_EQUAL(release.signers[1], 3);
    CHECK_EQUAL(release.signatures[0][1][63], 0xAA);
    CHECK_EQUAL(release.signatures[1][2][7], 0xEF);
    CHECK(!valid(file("v", zero + zero + zero + "sequence 1\n")));
    CHECK(!valid(file("v", "sequence 1\nsignature0 \n")));
    CHECK(!valid(file("v", "sequence 1\nsignature1 " + SIGNATURE1 + "0\n")));
    CHECK(!valid(file("v", "sequence 1\nsignature1 " + SIGNATURE1.substr(1) + "\n")));
    CHECK(valid(file("v", "sequence 1\nsignature2 x\nsignature x\nsignature00 x\n")));
}

TEST(versions_are_of_32_characters_from_a_small_set) {
    CHECK(valid(file(std::string(32, 'v'), "sequence 1")));
    CHECK(valid(file("v1.2_3+4-dirty", "sequence 1")));
    for (const std::string& version :
         {std::string(), std::string(33, 'v'), std::string("a b"), std::string("a/b"),
          std::string("a\r"), std::string("\xC3\xA4"), std::string("a\0b", 3), std::string(" a")}) {
        CHECK(!valid(file(version, "sequence 1")));
    }
}

TEST(signatures_are_128_lower_case_hex_digits) {
    const std::string rest = "\nsequence 1\n";
    CHECK(!valid("v\n" + SIGNATURE0 + "a\n" + SIGNATURE1 + rest));
    CHECK(!valid("v\n" + SIGNATURE0.substr(1) + "\n" + SIGNATURE1 + rest));
    CHECK(!valid("v\n" + SIGNATURE0 + "\n" + SIGNATURE1.substr(2) + rest));
    CHECK(!valid("v\n" + SIGNATURE0.substr(1) + "g\n" + SIGNATURE1 + rest));
    CHECK(!valid("v\n" + SIGNATURE0.substr(1) + "A\n" + SIGNATURE1 + rest));
    CHECK(!valid("v\n" + SIGNATURE0 + rest));
}

TEST(the_sequence_is_needed_once_and_is_a_32_bit_number) {
    CHECK(!valid(file("v", "")));
    CHECK(!valid(file("v", "sequence 1\nsequence 1\n")));
    for (const char* number :
         {"", "-1", "+1", "01", "1 ", " 1", "1x", "0x1", "4294967296", "99999999999"}) {
        CHECK(!valid(file("v", std::string("sequence ") + number + "\n")));
    }
    Release release;
    CHECK(parse(file("v", "sequence 4294967295\n"), release));
    CHECK_EQUAL(release.sequence, 4294967295u);
    CHECK(parse(file("v", "sequence 0\n"), release));
    CHECK_EQUAL(release.sequence, 0u);
}

TEST(further_lines_have_a_key_and_a_value) {
    for (const char* line : {"\n", "key\n", "key \n", " value\n", "key\tvalue\n", "key val\x7Fue\n",
                             "key value\r\n"}) {
        CHECK(!valid(file("v", std::string("sequence 1\n") + line)));
    }
    CHECK(!valid("8a1b2c3d\r\n" + SIGNATURE0 + "\r\n" + SIGNATURE1 + "\r\nsequence 42\r\n"));
}

TEST(a_file_has_at_most_1024_bytes) {
    const std::string start = file("v", "sequence 1\nnote ");
    CHECK(valid(start + std::string(1024 - start.size(), 'x')));
    CHECK(!valid(start + std::string(1025 - start.size(), 'x')));
}

TEST(a_file_that_is_cut_off_is_malformed_until_its_sequence) {
    for (size_t length = 0; length + 3 < FILE_TEXT.size(); length++) {
        CHECK(!valid(FILE_TEXT.substr(0, length)));
    }
}

TEST(mutated_files_are_read_or_refused) {
    Random random(4);
    unsigned read = 0;
    for (int i = 0; i < 50000; i++) {
        std::string text = FILE_TEXT;
        random.mutate(text);
        Release release;
        if (parse(text, release)) {
            CHECK(isVersion(release.version, strlen(release.version)));
            read++;
        }
    }
    CHECK(read > 0);
    CHECK(read < 25000);
}

TEST(a_device_installs_another_version_with_a_greater_sequence) {
    bool install = false;
    CHECK(decide("b", 43, "a", 42, &install) == UpdateError::NONE);
    CHECK(install);
}

TEST(a_device_leaves_its_own_version_alone) {
    bool install = true;
    for (const uint32_t sequence : {0u, 41u, 42u, 43u}) {
        CHECK(decide("a", sequence, "a", 42, &install) == UpdateError::NONE);
        CHECK(!install);
    }
}

TEST(a_device_refuses_a_sequence_that_is_not_greater) {
    bool install = true;
    for (const uint32_t sequence : {0u, 41u, 42u}) {
        CHECK(decide("b", sequence, "a", 42, &install) == UpdateError::NOT_NEWER);
        CHECK(!install);
    }
}

TEST(a_device_refuses_a_sequence_that_jumps_by_more_than_a_million) {
    bool install = false;
    CHECK(decide("b", 1000042, "a", 42, &install) == UpdateError::NONE);
    CHECK(install);
    CHECK(decide("b", 1000043, "a", 42, &install) == UpdateError::SEQUENCE_JUMP);
    CHECK(!install);
    CHECK(decide("b", 4294967295u, "a", 4294967294u, &install) == UpdateError::NONE);
    CHECK(install);
    CHECK(decide("b", 4294967295u, "a", 1, &install) == UpdateError::SEQUENCE_JUMP);
}

TEST(a_development_build_takes_any_other_release) {
    for (const uint32_t sequence : {0u, 1u, 4294967295u}) {
        bool install = false;
        CHECK(decide("b", sequence, "a", 0, &install) == UpdateError::NONE);
        CHECK(install);
    }
}
