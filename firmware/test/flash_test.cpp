#include <esper/BootConfiguration.h>

#include <cstring>

#include "check.h"

using namespace esper;

namespace {

// As in SPEC 3, written by hand.
const uint8_t SLOT_1[24] = {0xE1, 1,    0, 1, 0, 2, 0xFF, 0xFF, 0x00, 0x20, 0, 0,
                            0x00, 0x20, 8, 0, 0, 0, 0,    0,    0,    0,    0, 0};

BootConfiguration fromBytes(const uint8_t* bytes) {
    BootConfiguration out;
    memcpy(&out, bytes, sizeof(out));
    return out;
}

Descriptor descriptorFor(uint32_t slot) {
    Descriptor out = {};
    out.magic = 0x72505345;
    out.format = 1;
    strcpy(out.device, "socket");
    strcpy(out.version, "8a1b2c3d");
    out.sequence = 42;
    out.slot = slot;
    out.size = 0x1000;
    return out;
}

}  // namespace

TEST(a_boot_configuration_has_the_bits_of_the_specification) {
    const BootConfiguration made = BootConfiguration::of(1);
    CHECK(memcmp(&made, SLOT_1, sizeof(SLOT_1)) == 0);
    CHECK(made.readable());
    CHECK(BootConfiguration::of(0).readable());
}

TEST(a_boot_configuration_is_readable_only_if_all_that_matters_is_right) {
    for (size_t i = 0; i < sizeof(SLOT_1); i++) {
        uint8_t bytes[24];
        memcpy(bytes, SLOT_1, sizeof(bytes));
        bytes[i] ^= 0x40;
        // Mode, GPIO, the unused bytes and the slots that are none do not matter.
        const bool matters = i < 2 || i == 3 || i == 5 || (i >= 8 && i < 16);
        CHECK_EQUAL(fromBytes(bytes).readable(), !matters);
    }
    const std::string erased(24, '\xFF');
    CHECK(!fromBytes(reinterpret_cast<const uint8_t*>(erased.data())).readable());
}

TEST(a_descriptor_belongs_to_its_slot) {
    CHECK(isDescriptor(descriptorFor(0), 0));
    CHECK(isDescriptor(descriptorFor(1), 1));
    CHECK(!isDescriptor(descriptorFor(1), 0));
    CHECK(!isDescriptor(descriptorFor(2), 0));
}

TEST(a_descriptor_has_magic_format_and_a_size_within_the_slot) {
    Descriptor d = descriptorFor(0);
    d.magic ^= 1;
    CHECK(!isDescriptor(d, 0));
    d = descriptorFor(0);
    d.format = 2;
    CHECK(!isDescriptor(d, 0));
    d = descriptorFor(0);
    d.size = 0x79000;
    CHECK(isDescriptor(d, 0));
    d.size = 0x79001;
    CHECK(!isDescriptor(d, 0));
    d.size = 111;
    CHECK(!isDescriptor(d, 0));
}

TEST(a_descriptor_without_ends_of_its_texts_is_refused) {
    Descriptor d = descriptorFor(0);
    memset(d.version, 'v', sizeof(d.version));
    CHECK(!isDescriptor(d, 0));
    d = descriptorFor(0);
    memset(d.device, 'd', sizeof(d.device));
    CHECK(!isDescriptor(d, 0));
    d = descriptorFor(0);
    strcpy(d.version, "a\"b");
    CHECK(!isDescriptor(d, 0));
    memset(&d, 0xFF, sizeof(d));
    CHECK(!isDescriptor(d, 0));
}
