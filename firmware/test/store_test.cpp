#include <esper/BootConfiguration.h>
#include <esper/Store.h>

#include <cstring>
#include <vector>

#include "check.h"
#include "chip.h"

using namespace esper;
using namespace chip;

namespace {

constexpr uint32_t AT = 0x07B000;
constexpr uint32_t USED = 0x3000;  // bytes from there on
constexpr uint32_t END = AT + USED;

std::string entriesOf(const char* value) {
    static uint8_t buffer[100];
    EntriesWriter writer(buffer, sizeof(buffer));
    writer.text("a", value);
    return std::string(reinterpret_cast<const char*>(buffer), writer.entries().size());
}

bool save(const std::string& entries) {
    return Store(AT).save(
        {reinterpret_cast<const uint8_t*>(entries.data()), static_cast<uint32_t>(entries.size())});
}

// The text of the record; "none": there is none.
std::string load() {
    Store::Record record;
    return Store(AT).load(record) ? record.entries().text("a") : "none";
}

bool copiesAgree() {
    return memcmp(memory + AT, memory + AT + 4096, 4096) == 0;
}

}  // namespace

TEST(a_store_holds_what_was_saved_in_both_sectors) {
    fresh();
    CHECK_EQUAL(load(), "none");
    for (const char* value : {"one", "", "another"}) {
        CHECK(save(entriesOf(value)));
        CHECK_EQUAL(load(), value);
        CHECK(copiesAgree());
    }
    CHECK(save(""));
    CHECK_EQUAL(load(), "");
}

TEST(a_store_takes_records_of_every_size) {
    fresh();
    for (uint32_t size = 5; size <= Entries::MAX_SIZE; size += size < 80 ? 1 : 123) {
        std::string entries("\x03\x01\0\0a", 5);
        entries[2] = static_cast<char>(size - 5);
        entries[3] = static_cast<char>((size - 5) >> 8);
        entries += std::string(size - 5, 'v');
        CHECK(save(entries));
        Store::Record record;
        CHECK_EQUAL(Store(AT).load(record), size > 5);  // without a value it is no record
        CHECK(size == 5 || record.entries().size() == size);
    }
}

TEST(a_power_cut_leaves_the_old_or_the_new_record) {
    unsigned cases = 0;
    for (const bool first : {false, true}) {  // both sectors hold a record, or one does
        for (int operation = 0; operation < 4; operation++) {
            const bool erase = operation % 2 == 0;
            for (torn = 0; torn <= (erase ? 4096u : 60u); torn += erase ? 97 : 1) {
                fresh();
                CHECK(save(entriesOf("old")));
                if (first) {
                    memory[AT + 20] ^= 1;
                }
                left = operation;
                CHECK(!save(entriesOf("new")));
                reset();
                const std::string found = load();
                CHECK(found == "old" || found == "new");
                CHECK(copiesAgree());
                CHECK_EQUAL(load(), found);
                CHECK(save(entriesOf("last")));
                CHECK_EQUAL(load(), "last");
                cases++;
            }
        }
    }
    CHECK(cases > 400);
}

TEST(a_power_cut_while_a_copy_is_mended_costs_nothing) {
    for (const uint32_t sector : {0u, 1u}) {
        for (int operation = 0; operation < 2; operation++) {
            for (torn = 0; torn <= 4096; torn += operation == 0 ? 97 : 3) {
                fresh();
                CHECK(save(entriesOf("old")));
                memory[AT + sector * 4096 + 20] ^= 1;
                left = operation;
                load();
                reset();
                CHECK_EQUAL(load(), "old");
                CHECK(copiesAgree());
            }
        }
    }
}

TEST(no_changed_bit_of_a_copy_is_believed) {
    fresh();
    CHECK(save(entriesOf("value")));
    const std::vector<uint8_t> whole(memory + AT, memory + END);
    const uint32_t size = 16 + static_cast<uint32_t>(entriesOf("value").size()) + 32;
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        memcpy(memory + AT, whole.data(), USED);
        memory[AT + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK_EQUAL(load(), "value");
        CHECK(copiesAgree());
        memory[AT + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        memory[AT + 4096 + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK_EQUAL(load(), "none");
    }
}

TEST(without_memory_a_store_changes_nothing) {
    fresh();
    CHECK(save(entriesOf("old")));
    memory[AT + 20] ^= 1;
    const std::vector<uint8_t> before(memory + AT, memory + END);
    outOfMemory = true;
    CHECK_EQUAL(load(), "none");
    CHECK(!save(entriesOf("new")));
    Store::Record record;
    const std::string entries = entriesOf("x");
    CHECK(!record.set(
        {reinterpret_cast<const uint8_t*>(entries.data()), static_cast<uint32_t>(entries.size())}));
    CHECK(memcmp(before.data(), memory + AT, USED) == 0);
    reset();
    CHECK_EQUAL(load(), "old");
}
