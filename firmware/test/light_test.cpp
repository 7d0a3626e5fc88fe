#include <esper/features/LightState.h>

#include <vector>

#include "check.h"

using esper::LightState;

namespace {

std::string show(const LightState& s) {
    return std::string(s.on ? "on " : "off ") + std::to_string(s.brightness) + " " +
           std::to_string(s.red) + "," + std::to_string(s.green) + "," + std::to_string(s.blue);
}

// The state that a command leads to, from off at full brightness in white; "no" if it is none.
std::string after(const std::string& command, bool hasBrightness = true, bool hasColor = true) {
    const std::vector<char> exact(command.begin(), command.end());  // its end is guarded
    LightState state;
    if (!state.command(exact.data(), exact.size(), hasBrightness, hasColor)) {
        return show(state) == "off 255 255,255,255" ? "no" : "changed";
    }
    return show(state);
}

}  // namespace

TEST(a_light_does_what_a_command_says) {
    CHECK_EQUAL(after("1"), "on 255 255,255,255");
    CHECK_EQUAL(after("0"), "off 255 255,255,255");
    CHECK_EQUAL(
        after("{\"state\":\"ON\",\"brightness\":128,\"color\":{\"r\":255,\"g\":128,\"b\":0}}"),
        "on 128 255,128,0");
    CHECK_EQUAL(after(" { \"brightness\" : 7 , \"state\" : \"ON\" }\n"), "on 7 255,255,255");
    CHECK_EQUAL(after("{}"), "off 255 255,255,255");
    CHECK_EQUAL(after("{\"brightness\":3}"), "off 3 255,255,255");
    CHECK_EQUAL(after("{\"color\":{\"b\":1,\"r\":2,\"g\":3}}"), "off 255 2,3,1");
}

TEST(a_light_ignores_members_that_it_does_not_have) {
    CHECK_EQUAL(after("{\"state\":\"ON\",\"transition\":2.5e1,\"effect\":\"a\\\"}\",\"x\":null,"
                      "\"y\":[1,[],{\"z\":{}}],\"flash\":true}"),
                "on 255 255,255,255");
    CHECK_EQUAL(after("{\"state\":\"ON\",\"brightness\":9,\"color\":{\"h\":1}}", false, false),
                "on 255 255,255,255");
    CHECK_EQUAL(after("{\"color\":{\"r\":1,\"g\":2,\"b\":3,\"w\":4}}"), "off 255 1,2,3");
}

TEST(a_light_keeps_its_brightness_while_it_is_off) {
    LightState state;
    const std::string dim = "{\"state\":\"ON\",\"brightness\":40}";
    CHECK(state.command(dim.data(), dim.size(), true, false));
    const std::string dark = "{\"state\":\"ON\",\"brightness\":0}";
    CHECK(state.command(dark.data(), dark.size(), true, false));
    CHECK_EQUAL(show(state), "off 40 255,255,255");
    CHECK(state.command("1", 1, true, false));
    CHECK_EQUAL(show(state), "on 40 255,255,255");
}

TEST(what_is_no_command_changes_nothing_of_a_light) {
    for (const char* none : {"",
                             "2",
                             "on",
                             "ON",
                             "11",
                             "\"ON\"",
                             "[]",
                             "{",
                             "}",
                             "{\"state\"}",
                             "{\"state\":}",
                             "{\"state\":\"on\"}",
                             "{\"state\":1}",
                             "{\"state\":\"ON\"",
                             "{\"state\":\"ON\"}}",
                             "{\"state\":\"ON\"}x",
                             "{\"state\":\"ON\",}",
                             "{,\"state\":\"ON\"}",
                             "{\"state\":\"ON\" \"brightness\":1}",
                             "{\"brightness\":256}",
                             "{\"brightness\":-1}",
                             "{\"brightness\":255.5}",
                             "{\"brightness\":\"1\"}",
                             "{\"brightness\":01}",
                             "{\"brightness\":99999999999}",
                             "{\"brightness\":}",
                             "{\"color\":{\"r\":1,\"g\":2}}",
                             "{\"color\":{\"r\":1,\"g\":2,\"b\":256}}",
                             "{\"color\":[1,2,3]}",
                             "{\"color\":{}}",
                             "{\"state\":\"ON\",\"color\":{\"r\":1,\"g\":2,\"b\":3}",
                             "{\"a\":[[[[[[[[[]]]]]]]]]}",
                             "{\"a\":\"\n\"}",
                             "{\"a\":\"\\",
                             "{\"a\":[1 2]}",
                             "{\"a\":{1:2}}",
                             "{\"a\":(}"}) {
        CHECK_EQUAL(after(none), "no");
    }
    CHECK_EQUAL(after(std::string("{}\0", 3)), "no");
    CHECK_EQUAL(after("{\"a\":" + std::string(100000, '[')), "no");
}
