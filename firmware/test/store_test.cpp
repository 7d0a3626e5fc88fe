#include <esper/BootConfiguration.h>
#include <esper/Store.h>
#include <spi_flash.h>
#include <user_interface.h>

#include <cstring>
#include <vector>

#include "check.h"

using namespace esper;

// A flash in memory, whose power can be cut in an operation; and the heap.
namespace {

constexpr uint32_t AT = 0x07B000;
constexpr uint32_t USED = 0x3000;  // bytes from there on
constexpr uint32_t SIZE = AT + USED;

uint8_t memory[SIZE];
int left = -1;      // operations until the power is cut; -1: it is not
uint32_t torn = 0;  // bytes of the last one that are still done
bool dead = false;
bool outOfMemory = false;

// How many bytes of an operation are done.
uint32_t done(uint32_t size) {
    if (left > 0) {
        left--;
    } else if (left == 0 && !dead) {
        dead = true;
        return torn < size ? torn : size;
    }
    return dead ? 0 : size;
}

void reset() {
    left = -1;
    dead = outOfMemory = false;
}

void fresh() {
    reset();
    memset(memory + AT, 0xFF, USED);
}

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

const Descriptor esper::descriptor = {};

extern "C" {

SpiFlashOpResult spi_flash_erase_sector(uint16_t sector) {
    CHECK(sector < SIZE / 4096);
    memset(memory + sector * 4096u, 0xFF, done(4096));
    return dead ? SPI_FLASH_RESULT_ERR : SPI_FLASH_RESULT_OK;
}

SpiFlashOpResult spi_flash_write(uint32_t address, uint32_t* source, uint32_t size) {
    CHECK(address % 4 == 0 && size % 4 == 0 && address + size <= SIZE);
    const uint32_t count = done(size);
    for (uint32_t i = 0; i < count; i++) {
        memory[address + i] &= reinterpret_cast<uint8_t*>(source)[i];
    }
    return dead ? SPI_FLASH_RESULT_ERR : SPI_FLASH_RESULT_OK;
}

SpiFlashOpResult spi_flash_read(uint32_t address, uint32_t* destination, uint32_t size) {
    CHECK(address % 4 == 0 && size % 4 == 0 && address + size <= SIZE);
    memcpy(destination, memory + address, size);
    return dead ? SPI_FLASH_RESULT_ERR : SPI_FLASH_RESULT_OK;
}

void* pvPortMalloc(size_t size, const char*, unsigned, bool) {
    return outOfMemory ? nullptr : malloc(size);
}

void vPortFree(void* block, const char*, unsigned) {
    free(block);
}
}

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
    const std::vector<uint8_t> whole(memory + AT, memory + SIZE);
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
    const std::vector<uint8_t> before(memory + AT, memory + SIZE);
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
