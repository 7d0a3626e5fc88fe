#include <esper/features/AttributeChecks.h>
#include <esper/features/CoverCommand.h>
#include <esper/features/Options.h>

#include <cstring>
#include <string>

#include "check.h"

using esper::CoverCommand;
using esper::FlashText;
using esper::Options;

namespace {

constexpr esper::Attributes MODE =
    esper::Attributes().options("slow", "très vite", "s", "12345678901234567890123456789012");

Options options() {
    return Options(FlashText::of<esper::attributes::AsOptions<MODE>>());
}

std::string option(size_t index) {
    char buffer[33];
    esper::Text text(buffer, sizeof(buffer));
    options().write(index, text);
    return text.fits() ? text.text() : "too long";
}

// The place of an option, or -1.
int place(const std::string& text) {
    size_t index = 99;
    return options().find(text.data(), text.size(), index) ? static_cast<int>(index) : -1;
}

std::string command(const std::string& payload, bool hasPosition) {
    CoverCommand c;
    if (!c.parse(payload.data(), payload.size(), hasPosition)) {
        return "no";
    }
    return std::to_string(c.what) +
           (c.what == CoverCommand::MOVE ? std::to_string(c.position) : "");
}

}  // namespace

TEST(an_option_is_found_by_its_whole_text) {
    CHECK_EQUAL(place("slow"), 0);
    CHECK_EQUAL(place("très vite"), 1);
    CHECK_EQUAL(place("s"), 2);
    CHECK_EQUAL(place("12345678901234567890123456789012"), 3);
    for (const char* none :
         {"", "slo", "slow ", "slows", "Slow", "x", "\x04slow", "très",
          "1234567890123456789012345678901", "123456789012345678901234567890123"}) {
        CHECK_EQUAL(place(none), -1);
    }
    CHECK_EQUAL(place(std::string("slow\0", 5)), -1);
    CHECK_EQUAL(place(std::string(10000, 's')), -1);
}

TEST(options_are_read_by_their_place) {
    CHECK_EQUAL(option(0), "slow");
    CHECK_EQUAL(option(1), "très vite");
    CHECK_EQUAL(option(2), "s");
    CHECK_EQUAL(option(3), "12345678901234567890123456789012");
    CHECK_EQUAL(option(4), "");
    CHECK_EQUAL(option(SIZE_MAX), "");
}

TEST(a_cover_knows_its_commands) {
    CHECK_EQUAL(command("open", false), "0");
    CHECK_EQUAL(command("close", true), "1");
    CHECK_EQUAL(command("stop", true), "2");
    CHECK_EQUAL(command("0", true), "30");
    CHECK_EQUAL(command("100", true), "3100");
    for (const char* none :
         {"", "OPEN", "open ", "opened", "ope", "101", "-1", "1.5", "050", "x"}) {
        CHECK_EQUAL(command(none, true), "no");
    }
    CHECK_EQUAL(command("50", false), "no");
}
