#include <esper/Backoff.h>
#include <esper/Json.h>

#include <vector>

#include "check.h"

using namespace esper;

TEST(numbers_are_written_in_full) {
    char buffer[100];
    Text text(buffer, sizeof(buffer));
    text.number(0u).add(' ').number(4294967295u).add(' ').number(-61).add(' ').number(INT32_MIN);
    text.add(' ').hex(0xC0DEu, 6);
    CHECK_EQUAL(text.text(), "0 4294967295 -61 -2147483648 00c0de");
    CHECK(text.fits());
}

TEST(a_text_that_does_not_fit_is_cut_and_says_so) {
    for (size_t capacity = 1; capacity < 20; capacity++) {
        std::vector<char> buffer(capacity);  // its end is guarded by the sanitizer
        Text text(buffer.data(), capacity);
        text.add("0123456789");
        CHECK_EQUAL(text.fits(), capacity > 10);
        CHECK_EQUAL(std::string(text.text()), std::string("0123456789").substr(0, capacity - 1));
    }
}

TEST(json_has_its_commas_and_brackets) {
    char buffer[200];
    Json json(buffer, sizeof(buffer));
    json.object();
    json.string("device", "socket").number("rssi", -61).flag("trial", false);
    json.array("slots").object().number("sequence", 42u).endObject().null().endArray();
    json.object("empty").endObject().hex("id", 0xC0DEu, 6);
    json.endObject();
    CHECK_EQUAL(json.text(),
                "{\"device\":\"socket\",\"rssi\":-61,\"trial\":false,"
                "\"slots\":[{\"sequence\":42},null],\"empty\":{},\"id\":\"00c0de\"}");
}

TEST(json_writes_addresses) {
    char buffer[100];
    Json json(buffer, sizeof(buffer));
    const uint8_t mac[6] = {0x5C, 0xCF, 0x7F, 0, 0xC0, 0xDE};
    json.object().mac("mac", mac).address("ip", 0x0A01A8C0u).endObject();
    CHECK_EQUAL(json.text(), "{\"mac\":\"5c:cf:7f:00:c0:de\",\"ip\":\"192.168.1.10\"}");
}

TEST(json_escapes_what_it_must) {
    char buffer[100];
    Json json(buffer, sizeof(buffer));
    json.object().string("ssid", "a\"b\\c\n\x01\xC3\xA4").endObject();
    CHECK_EQUAL(json.text(), "{\"ssid\":\"a\\\"b\\\\c\\u000a\\u0001\xC3\xA4\"}");
}

TEST(back_off_doubles_from_a_second_to_a_minute) {
    Backoff shortest, longest;
    const uint32_t limits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    for (const uint32_t limit : limits) {
        CHECK_EQUAL(shortest.next(0), limit / 2);
        CHECK_EQUAL(longest.next(limit / 2), limit);
    }
    longest.reset();
    CHECK_EQUAL(longest.next(500), 1000u);
}

TEST(back_off_stays_within_its_limits_for_any_random_number) {
    Random random(5);
    for (int i = 0; i < 10000; i++) {
        Backoff backoff;
        const uint32_t wait = backoff.next(random.below(UINT32_MAX));
        CHECK(wait >= 500 && wait <= 1000);
    }
}
