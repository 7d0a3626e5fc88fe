#include <esper/features/AttributeChecks.h>

#include <cstring>

#include "check.h"

using esper::Attributes;
using esper::Decimal;
using esper::FlashText;
using esper::InFlash;
using esper::Kind;
using namespace esper::attributes;

namespace {

std::string inFlash(FlashText text) {
    std::string out;
    for (size_t i = 0; i < text.length(); i++) {
        out.push_back(text[i]);
    }
    return out;
}

template <const Attributes& about>
std::string json() {
    return inFlash(FlashText::of<AsJson<about>>());
}

constexpr Attributes NOTHING;
constexpr Attributes OUTSIDE =
    Attributes().name("Outside").unit("°C").deviceClass("temperature").precision(1).measurement();
constexpr Attributes ODD = Attributes().name("a\"b\\c ü").icon("mdi:fan").diagnostic().hidden();
constexpr Attributes TARGET =
    Attributes().config().unit("K").range(-5, Decimal(305, 1), Decimal(5, 1));
constexpr Attributes MODE = Attributes().options("slow", "très vite", "\"");
constexpr Attributes ALL_COLORS = Attributes().brightness().color();
constexpr Attributes BLINDS = Attributes().position();
constexpr Attributes WORDS = Attributes().text();
constexpr Attributes METER = Attributes().totalIncreasing().precision(0);
static_assert(sizeof(Checked<Kind::SENSOR, OUTSIDE>) > 0);
static_assert(sizeof(Checked<Kind::OTHER, ODD>) > 0);
static_assert(sizeof(Checked<Kind::NUMBER, TARGET>) > 0);
static_assert(sizeof(Checked<Kind::SELECT, MODE>) > 0);
static_assert(sizeof(Checked<Kind::EVENT, MODE>) > 0);
static_assert(sizeof(Checked<Kind::LIGHT, ALL_COLORS>) > 0);
static_assert(sizeof(Checked<Kind::COVER, BLINDS>) > 0);
static_assert(sizeof(Checked<Kind::SENSOR, WORDS>) > 0);
static_assert(sizeof(Checked<Kind::SENSOR, METER>) > 0);
static_assert(sizeof(Checked<Kind::SWITCH, NOTHING>) > 0);

}  // namespace

TEST(attributes_are_json_as_the_specification_says) {
    CHECK_EQUAL(json<NOTHING>(), "{}");
    CHECK_EQUAL(json<OUTSIDE>(),
                "{\"name\":\"Outside\",\"device_class\":\"temperature\",\"unit\":\"°C\","
                "\"precision\":1,\"state_class\":\"measurement\"}");
    CHECK_EQUAL(json<ODD>(),
                "{\"name\":\"a\\\"b\\\\c ü\",\"icon\":\"mdi:fan\",\"category\":\"diagnostic\","
                "\"enabled\":false}");
    CHECK_EQUAL(json<TARGET>(),
                "{\"category\":\"config\",\"unit\":\"K\",\"min\":-5,\"max\":30.5,\"step\":0.5}");
    CHECK_EQUAL(json<MODE>(), "{\"options\":[\"slow\",\"très vite\",\"\\\"\"]}");
    CHECK_EQUAL(json<ALL_COLORS>(), "{\"brightness\":true,\"color\":true}");
    CHECK_EQUAL(json<BLINDS>(), "{\"position\":true}");
    CHECK_EQUAL(json<WORDS>(), "{\"text\":true}");
    CHECK_EQUAL(json<METER>(), "{\"precision\":0,\"state_class\":\"total_increasing\"}");
}

TEST(options_lie_in_flash_behind_their_lengths) {
    CHECK_EQUAL(inFlash(FlashText::of<AsOptions<MODE>>()), "\x04slow\x0Atrès vite\x01\"");
    CHECK_EQUAL((InFlash<AsOptions<MODE>>::LENGTH), 18u);
}

TEST(texts_of_attributes_are_printable_utf8) {
    for (const char* good : {"a", "Größe", "€", "\xF0\x9F\x92\xA1", "\xED\x9F\xBF", "\xC2\xA0"}) {
        CHECK(isText(good, 4) == (strlen(good) <= 4));
        CHECK(isText(good, 64));
    }
    for (const char* bad : {"", "\n", "\x7F", "\x80", "\xC0\x80", "\xC3", "\xC2\x85", "a\xE2\x82",
                            "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80", "\xFF", "\xE2\x28\xA1"}) {
        CHECK(!isText(bad, 64));
    }
}
