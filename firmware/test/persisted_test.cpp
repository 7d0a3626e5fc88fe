#include <esper/BootConfiguration.h>
#include <esper/PersistedValues.h>
#include <esper/Reset.h>
#include <esper/WearRecord.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "check.h"
#include "chip.h"

using namespace esper;
using namespace chip;

namespace {

constexpr uint32_t AT = Layout::JOURNAL;
constexpr uint32_t FIRST = AT / 4096;

BeforeEnd::Function function;
void* of;

void ending(uint32_t pause) {
    function(of, pause);
}

// RTC memory at the address that it has on the chip.
void powerOn() {
    static void* const there =
        mmap(reinterpret_cast<void*>(0x60001000), 4096, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(there == reinterpret_cast<void*>(0x60001000));
    memset(there, 0xA5, 4096);
}

// A start of the firmware, which knows nothing but flash and RTC memory.
void start() {
    reset();
    new (&PersistedValues::get()) PersistedValues();
}

void begin() {
    fresh();
    powerOn();
    start();
}

std::string entriesOf(uint32_t value, size_t size = 30) {
    static std::vector<uint8_t> buffer(Entries::MAX_SIZE);
    EntriesWriter writer(buffer.data(), Entries::MAX_SIZE);
    const std::string text(size, 'v');
    writer.number("a", static_cast<int32_t>(value)).text("b", text.c_str());
    CHECK(writer.fits());
    return std::string(reinterpret_cast<const char*>(buffer.data()), writer.entries().size());
}

bool save(Journal& journal, const std::string& entries) {
    return journal.save(
        {reinterpret_cast<const uint8_t*>(entries.data()), static_cast<uint32_t>(entries.size())});
}

// What a start finds in the journal; 0: nothing.
int32_t load() {
    Journal journal(AT);
    Record record;
    CHECK(journal.load(record));
    return record.entries().number("a");
}

struct Point {
    int32_t x, y;
    bool operator==(const Point& other) const { return x == other.x && y == other.y; }
};

}  // namespace

BeforeEnd::BeforeEnd(Function given, void* object)
    : function(given), object(object), next(nullptr) {
    ::function = given;
    of = object;
}

TEST(a_journal_holds_what_was_saved_last) {
    fresh();
    CHECK_EQUAL(load(), 0);
    Journal journal(AT);
    for (int32_t i = 1; i <= 500; i++) {
        CHECK(save(journal, entriesOf(static_cast<uint32_t>(i), 1 + 7 * i % 300)));
        CHECK_EQUAL(load(), i);
        if (i % 17 == 0) {
            new (&journal) Journal(AT);  // a start in between
        }
    }
}

TEST(a_journal_takes_records_of_every_size) {
    fresh();
    for (uint32_t size = 0; size < 2030; size += size < 80 ? 1 : 61) {
        Journal journal(AT);
        CHECK(save(journal, entriesOf(size + 1, size)));
        CHECK_EQUAL(load(), static_cast<int32_t>(size + 1));
    }
}

// The sectors are erased in turn, when they are full, and the cost tells when.
TEST(a_journal_spreads_the_wear) {
    fresh();
    Journal journal(AT);
    uint64_t cost = 0;
    const std::string entries = entriesOf(1);
    const unsigned perSector = 4096 / Record::space(static_cast<uint32_t>(entries.size()));
    for (unsigned i = 1; i <= 1000; i++) {
        cost += journal.cost(static_cast<uint32_t>(entries.size()));
        CHECK(save(journal, entries));
        const unsigned sectors = (i + perSector - 1) / perSector;
        CHECK_EQUAL(erased[FIRST] + erased[FIRST + 1], sectors);
        CHECK_EQUAL(erased[FIRST], (sectors + 1) / 2);
        CHECK(cost > (sectors - 1) * 4096 && cost <= sectors * 4096);
    }
}

// A journal with a power cut in an operation, at each word and within words; then a second cut in
// what follows. What is read is the old or the new value.
TEST(a_power_cut_in_a_journal_leaves_the_old_or_the_new_record) {
    const uint32_t space = Record::space(static_cast<uint32_t>(entriesOf(1).size()));
    const uint32_t full = 4096 / space;
    unsigned cases = 0;
    for (const uint32_t count : {0u, 1u, full - 1, full}) {  // records before
        fresh();
        Journal journal(AT);
        for (uint32_t i = 1; i <= count; i++) {
            CHECK(save(journal, entriesOf(i)));
        }
        const std::vector<uint8_t> whole(memory + AT, memory + SIZE);
        const int32_t old = load();
        const int operations = count > 0 && (count + 1) * space <= 4096 ? 1 : 2;
        for (int operation = 0; operation < operations; operation++) {
            const bool erase = operations == 2 && operation == 0;
            for (const Tear way : {Tear::PREFIX, Tear::SUFFIX, Tear::BITS}) {
                for (uint32_t at = 0; at <= (erase ? 4096 : space); at += erase ? 61 : 1) {
                    reset();
                    memcpy(memory + AT, whole.data(), whole.size());
                    tear = way;
                    torn = at;
                    left = operation;
                    Journal cut(AT);
                    CHECK(!save(cut, entriesOf(count + 1)));
                    reset();
                    const int32_t found = load();
                    CHECK(found == old || found == old + 1);
                    const std::vector<uint8_t> after(memory + AT, memory + SIZE);
                    // A second cut, while the next value is written.
                    for (const uint32_t again : {0u, 50u, 2048u}) {
                        if (at % 8 != 0) {
                            continue;
                        }
                        for (left = 0; left < 2; left++) {
                            const int second = left;
                            reset();
                            memcpy(memory + AT, after.data(), after.size());
                            torn = again;
                            left = second;
                            Journal next(AT);
                            const bool saved = save(next, entriesOf(77));
                            reset();
                            const int32_t now = load();
                            CHECK(now == 77 || (!saved && now == found));
                            Journal last(AT);
                            CHECK(save(last, entriesOf(78)));
                            CHECK_EQUAL(load(), 78);
                            left = second;
                            cases++;
                        }
                    }
                }
            }
        }
    }
    CHECK(cases > 1000);
}

TEST(no_changed_bit_of_a_journal_is_believed) {
    fresh();
    Journal journal(AT);
    CHECK(save(journal, entriesOf(1)));
    const uint32_t space = Record::space(static_cast<uint32_t>(entriesOf(1).size()));
    CHECK(save(journal, entriesOf(2)));
    for (uint32_t bit = 0; bit < 16 * space; bit++) {
        uint8_t& byte = memory[AT + bit / 8];
        const bool padding = (bit / 8) % space >= 16 + entriesOf(1).size() + 32;
        byte ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK_EQUAL(load(), padding ? 2 : bit < 8 * space ? 0 : 1);
        byte ^= static_cast<uint8_t>(1 << bit % 8);
    }
}

// What was left behind a record is never continued, though the next record would end before it.
TEST(a_journal_is_not_continued_before_remains) {
    fresh();
    Journal journal(AT);
    CHECK(save(journal, entriesOf(1)));
    memory[AT + 4095] = 0;
    Journal next(AT);
    CHECK(save(next, entriesOf(2)));
    CHECK_EQUAL(erased[FIRST + 1], 1);
    CHECK_EQUAL(load(), 2);
}

TEST(without_memory_a_journal_changes_nothing) {
    fresh();
    Journal journal(AT);
    CHECK(save(journal, entriesOf(1)));
    const std::vector<uint8_t> before(memory + AT, memory + SIZE);
    outOfMemory = true;
    Record record;
    CHECK(!journal.load(record) && !save(journal, entriesOf(2)));
    CHECK(memcmp(before.data(), memory + AT, before.size()) == 0);
    reset();
    CHECK(save(journal, entriesOf(3)));
    CHECK_EQUAL(load(), 3);
}

TEST(a_persisted_value_outlives_a_restart) {
    begin();
    {
        Persisted<bool> on("on", true);
        Persisted<Point> point("point", {1, 2});
        CHECK(on && point.get() == (Point{1, 2}));
        on.set(false);
        point.set({3, 4});
        CHECK(!on);
        run(99);
        CHECK_EQUAL(load(), 0);
        CHECK_EQUAL(erased[FIRST], 0);
        run(1);
        CHECK_EQUAL(erased[FIRST], 1);
        point.set({3, 4});
        run(1000);
    }
    Record::Header header;
    CHECK(Record::begins(AT, 4096, header) &&
          header.generation == 1);  // both changes in one record
    start();
    {
        Persisted<Point> point("point", {1, 2});
        CHECK(point.get() == (Point{3, 4}));
        Persisted<bool> on("on", true);
        CHECK(!on);
        Persisted<bool> other("other", true);
        CHECK(other);
        point.set({5, 6});
        point.set({3, 4});
        run(1000);
    }
    const uint32_t behind = AT + Record::space(header.size);
    CHECK(!Record::begins(behind, 4096, header));  // nothing has changed
}

TEST(a_persisted_value_that_waits_is_written_before_a_restart) {
    begin();
    {
        Persisted<uint32_t> total("total", 0);
        total.set(5, 3600000);
        run(3599999);
        CHECK_EQUAL(erased[FIRST], 0);
        run(1);
        CHECK_EQUAL(erased[FIRST], 1);
        total.set(6, 86400000);
        run(1000);
        total.set(7, 3600000);
        run(3600000 - 1);
        Record::Header header;
        CHECK(Record::begins(AT, 4096, header));
        const uint32_t behind = AT + Record::space(header.size);
        CHECK(!Record::begins(behind, 4096, header));
        run(1);
        CHECK(Record::begins(behind, 4096, header));
        total.set(8, 86400000);
        ending(0);
    }
    start();
    Persisted<uint32_t> total("total", 0);
    CHECK_EQUAL(total.get(), 8u);
}

static bool widen(uint16_t version, const uint8_t* bytes, size_t length, uint32_t& out) {
    if (version != 1 || length != 2) {
        return false;
    }
    out = bytes[0] | bytes[1] << 8;
    return true;
}

TEST(a_persisted_value_of_another_version_is_converted_or_left) {
    begin();
    {
        Persisted<uint16_t> value("value", 0);
        value.set(513);
        run(100);
    }
    start();
    {
        Persisted<uint32_t> value("value", 9, 2);
        CHECK_EQUAL(value.get(), 9u);
    }
    start();
    {
        Persisted<uint32_t> value("value", 9, 1);  // another size is another version, too
        CHECK_EQUAL(value.get(), 9u);
    }
    start();
    {
        Persisted<uint32_t> value("value", 9, 2, widen);
        CHECK_EQUAL(value.get(), 513u);
    }
    start();
    {
        Persisted<uint16_t> value("value", 7);  // a rollback: nothing was set
        CHECK_EQUAL(value.get(), 513);
    }
    start();
    {
        Persisted<uint32_t> value("value", 9, 2, widen);
        value.set(514);
        run(100);
    }
    start();
    Persisted<uint16_t> value("value", 7);
    CHECK_EQUAL(value.get(), 7);
}

// Names of other firmware stay while there is room, and no longer.
TEST(values_of_other_firmware_stay_while_there_is_room) {
    using Block = uint8_t[64];
    struct Big {
        Block bytes;
    };
    static const char* const NAMES[] = {"n00", "n01", "n02", "n03", "n04", "n05", "n06",
                                        "n07", "n08", "n09", "n10", "n11", "n12", "n13",
                                        "n14", "n15", "n16", "n17", "n18", "n19", "n20",
                                        "n21", "n22", "n23", "n24", "n25", "n26", "n27"};
    constexpr size_t COUNT = sizeof(NAMES) / sizeof(NAMES[0]);
    constexpr size_t FIT = 2048 / (8 + 3 + 64);
    static_assert(FIT == 27 && FIT < COUNT, "one too many");
    Big wanted = {};
    wanted.bytes[5] = 5;
    begin();
    {
        Persisted<int32_t> other("other-firmware", 0);
        other.set(42);
        run(100);
    }
    start();
    {
        Persisted<Big> one("n00");
        one.set(wanted);
        run(100);
    }
    start();
    {
        Persisted<int32_t> other("other-firmware", 0);
        CHECK_EQUAL(other.get(), 42);
    }
    start();
    {
        std::vector<std::unique_ptr<Persisted<Big>>> all;
        for (const char* name : NAMES) {
            all.push_back(std::make_unique<Persisted<Big>>(name));
            all.back()->set(wanted);
        }
        run(1000);
    }
    start();
    size_t found = 0;
    for (const char* name : NAMES) {
        start();
        Persisted<Big> one(name);
        found += one.get().bytes[5];
    }
    CHECK_EQUAL(found, 5 * FIT);
    start();
    Persisted<int32_t> other("other-firmware", 0);
    CHECK_EQUAL(other.get(), 0);
}

TEST(persisted_values_with_wrong_names_are_not_kept) {
    for (const char* name : {"", "Upper", "a b", "123456789012345678901234567890123", "\xc3\xa4"}) {
        begin();
        {
            Persisted<bool> value(name, false);
            value.set(true);
            CHECK(value);
            run(1000);
            CHECK_EQUAL(erased[FIRST], 0);
        }
    }
    begin();
    {
        Persisted<int32_t> first("twice", 1), second("twice", 2);
        second.set(3);
        run(1000);
        CHECK_EQUAL(erased[FIRST], 0);
        first.set(4);
        run(1000);
    }
    start();
    Persisted<int32_t> value("twice", 0);
    CHECK_EQUAL(value.get(), 4);
}

// The rule in SPEC 12.7, with its arithmetic: 10 years of it are less than 100,000 erasures.
TEST(a_flood_of_changes_does_not_wear_out_the_flash) {
    begin();
    Persisted<uint32_t> value("value", 0);
    const auto flood = [&](unsigned seconds) {
        for (unsigned i = 0; i < 10 * seconds; i++) {
            value.set(value + 1);
            run(100);
        }
    };
    flood(60);
    const unsigned first = erased[FIRST] + erased[FIRST + 1];
    CHECK(first == 2 || first == 3);  // what may be written at once, and what came back
    flood(2 * 4096 - 60);
    const unsigned before = erased[FIRST] + erased[FIRST + 1];
    flood(4 * 4096);
    const unsigned in = erased[FIRST] + erased[FIRST + 1] - before;
    CHECK(in >= 6 && in <= 8);
    constexpr uint64_t TEN_YEARS = 10ull * 31557600;
    CHECK(TEN_YEARS / (4 * 4096) * (in + 1) / 2 < 100000);

    // Restarts do not help: how much was written lives in RTC memory.
    const unsigned then = erased[FIRST] + erased[FIRST + 1];
    ending(0);
    for (int i = 0; i < 500; i++) {
        start();
        Persisted<uint32_t> again("value", 0);
        for (unsigned k = 0; k < 5; k++) {
            again.set(again + 1);
            run(200);
        }
        ending(0);
    }
    CHECK(erased[FIRST] + erased[FIRST + 1] - then <= 3);
}

TEST(deep_sleep_counts_as_time_without_writing) {
    begin();
    WearRecord::write(8192);
    start();
    {
        Persisted<uint32_t> value("value", 0);
        value.set(1);
        ending(10);
        CHECK_EQUAL(WearRecord::read(), 8192u - 20);
    }
    start();
    {
        Persisted<uint32_t> value("value", 0);
        CHECK_EQUAL(value.get(), 0u);  // was lost: too soon
        ending(100);
    }
    start();
    {
        Persisted<uint32_t> value("value", 0);
        value.set(1);
        ending(4000000);
        CHECK_EQUAL(WearRecord::read(), 0u);
    }
    start();
    Persisted<uint32_t> value("value", 0);
    CHECK_EQUAL(value.get(), 1u);
}

TEST(without_memory_a_persisted_value_is_written_later) {
    begin();
    {
        Persisted<uint32_t> value("value", 0);
        value.set(1);
        run(100);
        outOfMemory = true;
        value.set(2);
        run(60000);
        CHECK_EQUAL(value.get(), 2u);
        outOfMemory = false;
        run(10000);
    }
    start();
    Persisted<uint32_t> value("value", 0);
    CHECK_EQUAL(value.get(), 2u);
}
