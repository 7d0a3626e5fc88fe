#include <esper/JsonValue.h>

#include <cstring>
#include <vector>

#include "check.h"

using esper::JsonValue;

namespace {

// A copy of the very size, so that the sanitizer sees what is read behind it.
class Parsed {
  public:
    explicit Parsed(const std::string& text)
        : bytes(text.begin(), text.end()), value(JsonValue::parse(bytes.data(), bytes.size())) {}

    const JsonValue* operator->() const { return &value; }

  private:
    const std::vector<char> bytes;
    const JsonValue value;
};

bool valid(const std::string& text) {
    return Parsed(text)->exists();
}

std::string numberIn(const std::string& text, unsigned decimals = 0) {
    int32_t value;
    return Parsed(text)->number(value, decimals) ? std::to_string(value) : "none";
}

std::string stringIn(const std::string& text) {
    char buffer[64];
    return Parsed(text)->string(buffer, sizeof(buffer)) ? buffer : "none";
}

}  // namespace

TEST(json_that_is_right_is_read) {
    for (const char* text :
         {"{}", "[]", " { } ", "[ ]", "null", "true", "false", "0", "-0", "12.50", "1e5", "-1E-05",
          "1.5e+3", "\"\"", "{\"a\":1}", "{\"a\" : [1, {\"b\":null} ,[]] , \"c\":{}}",
          "[[[[[[[[1]]]]]]]]", "\"\\u00e4\\ud83d\\ude00\xc3\xa4\xf0\x9f\x98\x80\xef\xbf\xbf\""}) {
        if (!valid(text)) {
            throw Failure{__FILE__, __LINE__, text};
        }
    }
}

TEST(json_that_is_wrong_is_refused) {
    for (const char* text : {"",
                             " ",
                             "{",
                             "}",
                             "[",
                             "]",
                             "{]",
                             "[}",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "[1,]",
                             "[,1]",
                             "{,}",
                             "{a:1}",
                             "{'a':1}",
                             "{\"a\":1 \"b\":2}",
                             "[1 2]",
                             "1 2",
                             "{}{}",
                             "nul",
                             "nullx",
                             "TRUE",
                             "01",
                             "-",
                             "+1",
                             ".5",
                             "1.",
                             "1e",
                             "1e+",
                             "0x1",
                             "\"",
                             "\"a",
                             "\"\n\"",
                             "\"\\\"",
                             "\"\\x\"",
                             "\"\\u12\"",
                             "\"\\u12g4\"",
                             "\"\\u0000\"",
                             "\"\\ud800\"",
                             "\"\\udc00\"",
                             "\"\\ud800\\u0041\"",
                             "\"\\ud800\\ud800\"",
                             "\"\x80\"",
                             "\"\xc0\x80\"",
                             "\"\xc3\"",
                             "\"\xe0\x80\x80\"",
                             "\"\xed\xa0\x80\"",
                             "\"\xf0\x80\x80\x80\"",
                             "\"\xf4\x90\x80\x80\"",
                             "\"\xf8\"",
                             "\"\xff\"",
                             "[[[[[[[[[1]]]]]]]]]",
                             "1,",
                             "// 1"}) {
        if (valid(text)) {
            throw Failure{__FILE__, __LINE__, text};
        }
    }
    CHECK(!valid(std::string("1\0", 2)));
    CHECK(!valid(std::string("\"\0\"", 3)));
    CHECK(!valid(std::string("[\0]", 3)));
}

TEST(json_numbers_are_rounded_and_limited) {
    CHECK_EQUAL(numberIn("128"), "128");
    CHECK_EQUAL(numberIn("-0"), "0");
    CHECK_EQUAL(numberIn("2147483647"), "2147483647");
    CHECK_EQUAL(numberIn("2147483648"), "none");
    CHECK_EQUAL(numberIn("-2147483648"), "-2147483648");
    CHECK_EQUAL(numberIn("-2147483649"), "none");
    CHECK_EQUAL(numberIn("2147483647.5"), "none");
    CHECK_EQUAL(numberIn("2147483647.49"), "2147483647");
    CHECK_EQUAL(numberIn("12.5"), "13");
    CHECK_EQUAL(numberIn("-12.5"), "-13");
    CHECK_EQUAL(numberIn("0.49999999999"), "0");
    CHECK_EQUAL(numberIn("21.46", 1), "215");
    CHECK_EQUAL(numberIn("21.4", 3), "21400");
    CHECK_EQUAL(numberIn("0.001", 3), "1");
    CHECK_EQUAL(numberIn("0.0004", 3), "0");
    CHECK_EQUAL(numberIn("1.5e2"), "150");
    CHECK_EQUAL(numberIn("1500e-2", 1), "150");
    CHECK_EQUAL(numberIn("5e-1"), "1");
    CHECK_EQUAL(numberIn("5e-2"), "0");
    CHECK_EQUAL(numberIn("99999999999e-10"), "10");
    CHECK_EQUAL(numberIn("0e999999999999"), "0");
    CHECK_EQUAL(numberIn("1e999999999999"), "none");
    CHECK_EQUAL(numberIn("1e-999999999999"), "0");
    CHECK_EQUAL(numberIn("0.00000000000000000000000000005e30"), "50");
    CHECK_EQUAL(numberIn("\"1\""), "none");
    CHECK_EQUAL(numberIn("{}"), "none");
}

TEST(json_strings_are_unescaped) {
    CHECK_EQUAL(stringIn("\"\""), "");
    CHECK_EQUAL(stringIn("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), "a\"\\/\b\f\n\r\tz");
    CHECK_EQUAL(stringIn("\"\\u0041\\u00E4\\u20ac\\uD83D\\uDE00\""),
                "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK_EQUAL(stringIn("\"\xe2\x82\xac\""), "\xe2\x82\xac");
    CHECK_EQUAL(stringIn("1"), "none");
    const Parsed euro("\"a\\u20ac\"");
    char buffer[8] = "before";
    CHECK(!euro->string(buffer, 4));
    CHECK_EQUAL(std::string(buffer), "before");
    CHECK(euro->string(buffer, 5));
    CHECK_EQUAL(std::string(buffer), "a\xe2\x82\xac");
    CHECK(euro->is("a\xe2\x82\xac") && !euro->is("a") && !euro->is("a\xe2\x82\xac.") &&
          !euro->is("a\xe2\x82"));
}

TEST(members_of_json_are_found) {
    const Parsed command(
        "{ \"state\" : \"ON\", \"brightness\":128,\"co\\u006cor\":{\"r\":255,\"g\":[ 1, 2.5 ]},"
        "\"on\":true,\"twice\":1,\"twice\":null }");
    CHECK(command->type() == JsonValue::Type::OBJECT);
    CHECK(command->member("state").is("ON"));
    CHECK(!command->member("brightness").is("128"));
    int32_t number = 0;
    CHECK(command->member("brightness").number(number) && number == 128);
    CHECK(command->member("color").member("r").number(number) && number == 255);
    bool on = false;
    CHECK(command->member("on").boolean(on) && on && !command->member("state").boolean(on));
    CHECK(command->member("twice").type() == JsonValue::Type::NULL_VALUE);
    CHECK(!command->member("r").exists() && !command->member("").exists());
    CHECK(!command->member("r").member("x").number(number));

    std::string names;
    JsonValue name, value;
    for (size_t at = 0; command->next(at, name, value);) {
        char text[16];
        CHECK(name.string(text, sizeof(text)));
        names += std::string(text) + " ";
    }
    CHECK_EQUAL(names, "state brightness color on twice twice ");
    int32_t sum = 0;
    const JsonValue array = command->member("color").member("g");
    for (size_t at = 0; array.next(at, name, value);) {
        CHECK(!name.exists() && value.number(number, 1));
        sum += number;
    }
    CHECK_EQUAL(sum, 35);
    size_t at = 0;
    CHECK(!command->member("state").next(at, name, value));
}
