#include <esper/features/Printable.h>

#include <vector>

#include "check.h"

namespace {

std::string copied(const char* text, size_t capacity) {
    std::vector<char> buffer(capacity);  // its end is guarded
    esper::copyPrintable(text, buffer.data(), capacity);
    return buffer.data();
}

}  // namespace

TEST(what_is_not_printable_is_replaced) {
    CHECK_EQUAL(copied("Größe 5 €", 64), "Größe 5 €");
    CHECK_EQUAL(copied("a\nb\x7F\x1B[0m", 64), "a?b??[0m");
    CHECK_EQUAL(copied("\xFFx\xE2\x82", 64), "?x??");
    CHECK_EQUAL(copied("", 64), "");
}

TEST(a_text_is_cut_between_characters) {
    CHECK_EQUAL(copied("abc", 4), "abc");
    CHECK_EQUAL(copied("abc", 3), "ab");
    CHECK_EQUAL(copied("a€", 4), "a");
    CHECK_EQUAL(copied("a€", 5), "a€");
    CHECK_EQUAL(copied("€", 1), "");
}
