#include <esper/Decimal.h>
#include <esper/Text.h>

#include <vector>

#include "check.h"

using esper::Decimal;

namespace {

std::string written(Decimal value) {
    std::string out;
    struct {
        void add(char c) { out.push_back(c); }
        std::string& out;
    } sink{out};
    value.write(sink);
    return out;
}

// The number that a command is, or "no".
std::string parsed(const std::string& text, uint8_t places) {
    const std::vector<char> exact(text.begin(), text.end());  // its end is guarded
    int32_t number = 4711;
    if (!Decimal::parse(exact.data(), exact.size(), places, number)) {
        return number == 4711 ? "no" : "changed";
    }
    return std::to_string(number);
}

}  // namespace

TEST(decimals_are_written_with_just_their_digits) {
    CHECK_EQUAL(written(Decimal(215, 1)), "21.5");
    CHECK_EQUAL(written(Decimal(-5, 1)), "-0.5");
    CHECK_EQUAL(written(Decimal(-5, 2)), "-0.05");
    CHECK_EQUAL(written(Decimal(0)), "0");
    CHECK_EQUAL(written(Decimal(0, 3)), "0.000");
    CHECK_EQUAL(written(Decimal(1200, 2)), "12.00");
    CHECK_EQUAL(written(42), "42");
    CHECK_EQUAL(written(INT32_MAX), "2147483647");
    CHECK_EQUAL(written(INT32_MIN), "-2147483648");
    CHECK_EQUAL(written(Decimal(INT32_MIN, 9)), "-2.147483648");
    CHECK_EQUAL(written(Decimal(INT32_MIN, 1)), "-214748364.8");
    CHECK_EQUAL(written(Decimal(1, 200)), "0.000000001");
    CHECK_EQUAL(written(esper::NO_VALUE), "None");
    CHECK(esper::NO_VALUE.isNone() && !Decimal(0).isNone());
}

TEST(a_command_is_a_number_or_nothing) {
    CHECK_EQUAL(parsed("0", 0), "0");
    CHECK_EQUAL(parsed("-7", 0), "-7");
    CHECK_EQUAL(parsed("21.5", 1), "215");
    CHECK_EQUAL(parsed("21", 1), "210");
    CHECK_EQUAL(parsed("-0.05", 2), "-5");
    CHECK_EQUAL(parsed("-0", 0), "0");
    CHECK_EQUAL(parsed("21.000", 0), "21");  // as some programs write whole numbers
    CHECK_EQUAL(parsed("21.50", 1), "215");
    CHECK_EQUAL(parsed("2147483647", 0), "2147483647");
    CHECK_EQUAL(parsed("-2147483648", 0), "-2147483648");
    CHECK_EQUAL(parsed("214748364.7", 1), "2147483647");
    CHECK_EQUAL(parsed("1.0000000000000000000000", 0), "1");
    for (const char* none : {"",
                             "-",
                             ".",
                             "-.",
                             ".5",
                             "5.",
                             "-5.",
                             "1.2.3",
                             "1..2",
                             "+1",
                             " 1",
                             "1 ",
                             "1e3",
                             "0x10",
                             "01",
                             "-01",
                             "00",
                             "1,5",
                             "None",
                             "--1",
                             "1-",
                             "2147483648",
                             "-2147483649",
                             "9999999999",
                             "99999999999999999999999",
                             "1.00000000000000000000000"}) {
        CHECK_EQUAL(parsed(none, 0), "no");
    }
    CHECK_EQUAL(parsed("21.55", 1), "no");  // more places than there are
    CHECK_EQUAL(parsed("21.5", 0), "no");
    CHECK_EQUAL(parsed("2147483647", 1), "no");
    CHECK_EQUAL(parsed("214748364.8", 1), "no");
    CHECK_EQUAL(parsed(std::string("1\0", 2), 0), "no");
}

TEST(a_decimal_is_converted_only_if_nothing_is_lost) {
    int32_t out = 0;
    CHECK(Decimal(215, 1).scale(2, out) && out == 2150);
    CHECK(Decimal(-210, 1).scale(0, out) && out == -21);
    CHECK(Decimal(INT32_MIN).scale(0, out) && out == INT32_MIN);
    CHECK(!Decimal(215, 1).scale(0, out));
    CHECK(!Decimal(214748365).scale(1, out));
    CHECK(!Decimal(INT32_MIN).scale(1, out));
    CHECK(!Decimal(1).scale(200, out));
    CHECK(!esper::NO_VALUE.scale(0, out));
}
