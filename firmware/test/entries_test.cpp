#include <esper/Entries.h>

#include <cstring>
#include <vector>

#include "check.h"

using namespace esper;

namespace {

// An entry as it is stored.
std::string entry(int type, const std::string& name, const std::string& value) {
    const size_t length = value.size();
    std::string out;
    out += static_cast<char>(type);
    out += static_cast<char>(name.size());
    out += static_cast<char>(length);
    out += static_cast<char>(length >> 8);
    return out + name + value;
}

std::string texts(const std::string& name, const std::vector<std::string>& values) {
    std::string value;
    for (const std::string& each : values) {
        value += each + '\0';
    }
    return entry(1, name, value);
}

std::string number(const std::string& name, int32_t value) {
    return entry(2, name, std::string(reinterpret_cast<char*>(&value), 4));
}

// Entries in memory of their very size, whose end is guarded.
class Guarded {
  public:
    explicit Guarded(const std::string& text)
        : bytes(text.begin(), text.end()),
          entries(bytes.data(), static_cast<uint32_t>(bytes.size())) {}

    const Entries* operator->() const { return &entries; }
    const Entries& operator*() const { return entries; }

  private:
    std::vector<uint8_t> bytes;
    Entries entries;
};

bool valid(const std::string& text) {
    return Guarded(text)->valid();
}

std::string merged(const std::string& record, const std::string& changes,
                   const char* without = "") {
    std::vector<uint8_t> buffer(Entries::MAX_SIZE);
    EntriesWriter writer(buffer.data(), Entries::MAX_SIZE);
    const Guarded first(record);
    const Guarded second(changes);
    writer.merge(*first, *second, without);
    CHECK(writer.fits());
    CHECK(writer.entries().valid());
    return std::string(reinterpret_cast<const char*>(writer.entries().data()),
                       writer.entries().size());
}

}  // namespace

TEST(entries_keep_the_rules_of_the_specification) {
    CHECK(valid(""));
    CHECK(valid(entry(3, "a", "v")));
    CHECK(valid(entry(3, std::string(32, 'n'), "")));
    CHECK(valid(texts("a-z_0.9", {"", "two", ""})));
    CHECK(valid(number("n", -1)));
    for (const std::string& broken :
         {entry(3, "", "v"), entry(3, std::string(33, 'n'), "v"), entry(3, "A", "v"),
          entry(3, "a b", "v"), entry(3, std::string("a\0", 2), "v"), entry(3, "\xE4", "v"),
          entry(0, "a", "v"), entry(4, "a", "v"), entry(255, "a", "v"), entry(2, "a", "123"),
          entry(2, "a", "12345"), entry(1, "a", "v"), std::string("\x03"),
          std::string("\x03\x01\x01", 3), std::string("\x03\x01\x01\0", 4),
          std::string("\x03\x02\0\0a", 5), std::string("\x03\x01\x02\0av", 6),
          std::string("\x03\x01\xFF\xFF\x61v", 6)}) {
        CHECK(!valid(broken));
        CHECK(!valid(entry(3, "first", "v") + broken));
    }
    CHECK(!valid(entry(3, "a", "v") + entry(1, "a", "")));
    CHECK(!valid(entry(3, "a", "v") + "x"));
}

TEST(entries_have_at_most_2048_bytes) {
    CHECK(valid(entry(3, "a", std::string(2043, 'v'))));
    CHECK(!valid(entry(3, "a", std::string(2044, 'v'))));
    std::string many;
    for (char first = 'a'; first <= 'p'; first++) {
        for (char second = 'a'; second <= 'p'; second++) {
            many += entry(3, {first, second, '.', '.'}, "");
        }
    }
    CHECK_EQUAL(many.size(), 2048u);
    CHECK(valid(many));
    CHECK(!valid(many + entry(3, "x", "")));
}

TEST(entries_without_a_value_are_valid_but_not_complete) {
    CHECK(Guarded(number("n", 0))->complete());
    CHECK(Guarded(texts("t", {""}))->complete());
    for (const int type : {1, 2, 3}) {
        const Guarded entries(number("n", 0) + entry(type, "a", ""));
        CHECK(entries->valid());
        CHECK(!entries->complete());
    }
}

TEST(entries_are_gone_through_in_order_and_to_the_end) {
    const Guarded entries(number("a", 1) + entry(3, "b", "") + texts("c", {"x"}));
    uint32_t at = 0;
    Entries::Entry found;
    std::string names;
    while (entries->next(at, found)) {
        names += std::string(found.name, found.nameLength);
    }
    CHECK_EQUAL(names, "abc");
    CHECK_EQUAL(at, entries->size());
    CHECK(!entries->next(at, found));
    at = 0;
    CHECK(!Entries().next(at, found));
    const Guarded cut("\x03\x01\x01");
    CHECK(!cut->next(at, found));
}

TEST(an_entry_is_found_by_its_whole_name_and_its_type) {
    const Guarded entries(number("number", 7) + texts("text", {"t"}) + entry(3, "none", ""));
    Entries::Entry found;
    CHECK(entries->find("number", Entries::Type::NUMBER, found));
    CHECK(!entries->find("number", Entries::Type::TEXTS, found));
    CHECK(!entries->find("numbe", Entries::Type::NUMBER, found));
    CHECK(!entries->find("numbers", Entries::Type::NUMBER, found));
    CHECK(!entries->find("", Entries::Type::NUMBER, found));
    CHECK(!entries->find("none", Entries::Type::BYTES, found));
    CHECK_EQUAL(entries->number("number"), 7);
    CHECK_EQUAL(entries->number("text"), 0);
    CHECK_EQUAL(entries->text("number"), "");
    CHECK(found.begins("no"));
    CHECK(found.begins(""));
    CHECK(!found.begins("nones"));
}

TEST(texts_are_counted_from_0_and_empty_behind_the_last) {
    const Guarded entries(texts("t", {"one", "", "three"}));
    CHECK_EQUAL(entries->text("t"), "one");
    CHECK_EQUAL(entries->text("t", 1), "");
    CHECK_EQUAL(entries->text("t", 2), "three");
    CHECK_EQUAL(entries->text("t", 3), "");
    CHECK_EQUAL(entries->text("t", 4000), "");
    const Guarded removed(entry(1, "t", ""));
    CHECK_EQUAL(removed->text("t"), "");
}

TEST(keys_have_32_bytes) {
    for (const size_t length : {1u, 31u, 32u, 33u}) {
        const Guarded entries(entry(3, "fleet", std::string(length, 'k')));
        CHECK((entries->key("fleet") != nullptr) == (length == 32));
    }
    CHECK(Guarded(entry(1, "fleet", std::string(31, 'k') + '\0'))->key("fleet") == nullptr);
}

TEST(merging_replaces_names_and_keeps_the_others) {
    const std::string record = texts("mqtt", {"old"}) + entry(3, "unknown", "u") + number("a", 1);
    CHECK_EQUAL(merged(record, ""), record);
    CHECK_EQUAL(merged("", record), record);
    CHECK_EQUAL(merged(record, texts("mqtt", {"new"})),
                entry(3, "unknown", "u") + number("a", 1) + texts("mqtt", {"new"}));
    CHECK_EQUAL(merged(record, number("mqtt", 4)),
                entry(3, "unknown", "u") + number("a", 1) + number("mqtt", 4));
}

TEST(an_entry_without_a_value_removes_its_name) {
    const std::string record = texts("mqtt", {"old"}) + number("a", 1);
    for (const int type : {1, 2, 3}) {
        CHECK_EQUAL(merged(record, entry(type, "mqtt", "")), number("a", 1));
        CHECK_EQUAL(merged(record, entry(type, "never", "")), record);
    }
}

TEST(one_network_among_the_changes_replaces_all) {
    const std::string record =
        texts("wifi.1", {"a", ""}) + texts("wifi.4", {"b", ""}) + texts("wifi", {"no network"});
    CHECK_EQUAL(merged(record, texts("wifi.2", {"c", ""})),
                texts("wifi", {"no network"}) + texts("wifi.2", {"c", ""}));
    CHECK_EQUAL(merged(record, entry(1, "wifi.9", "")), texts("wifi", {"no network"}));
    CHECK_EQUAL(merged(record, texts("wifi", {"x"})),
                texts("wifi.1", {"a", ""}) + texts("wifi.4", {"b", ""}) + texts("wifi", {"x"}));
}

TEST(sequences_are_not_merged_and_one_is_left_out) {
    const std::string record = number("sequence", 7) + number("device.sequence", 3);
    const std::string changes = number("sequence", 99) + entry(2, "device.sequence", "");
    CHECK_EQUAL(merged(record, changes), record);
    CHECK_EQUAL(merged(record, changes, "sequence"), number("device.sequence", 3));
    CHECK_EQUAL(merged(record, changes, "device.sequence"), number("sequence", 7));
}

TEST(what_does_not_fit_is_left_out_and_reported) {
    const Guarded record(number("a", 1) + number("b", 2));
    for (uint32_t capacity = 0; capacity < 20; capacity++) {
        std::vector<uint8_t> buffer(capacity);
        EntriesWriter writer(buffer.data(), capacity);
        writer.merge(*record, Entries());
        CHECK_EQUAL(writer.fits(), capacity >= 18);
        CHECK_EQUAL(writer.entries().size(), capacity / 9 * 9 > 18 ? 18 : capacity / 9 * 9);
        CHECK(writer.entries().valid());
    }
    std::vector<uint8_t> buffer(8);
    EntriesWriter writer(buffer.data(), 8);
    CHECK(!writer.number("long", 1).text("t", "x").fits());  // not what comes behind it, either
    CHECK_EQUAL(writer.entries().size(), 0u);
}
