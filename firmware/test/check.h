// A test is a function; a failed check ends it and is reported with its place.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

struct Test {
    Test(const char* name, void (*function)());

    const char* const name;
    void (*const function)();
    Test* next;
};

struct Failure {
    const char* file;
    int line;
    std::string what;
};

#define TEST(name)                        \
    static void name();                   \
    static Test test_##name{#name, name}; \
    static void name()

#define CHECK(condition)                                   \
    do {                                                   \
        if (!(condition)) {                                \
            throw Failure{__FILE__, __LINE__, #condition}; \
        }                                                  \
    } while (false)

#define CHECK_EQUAL(found, wanted)                                               \
    do {                                                                         \
        const std::string f = show(found);                                       \
        const std::string w = show(wanted);                                      \
        if (f != w) {                                                            \
            throw Failure{__FILE__, __LINE__, #found " is " + f + ", not " + w}; \
        }                                                                        \
    } while (false)

template <typename Value>
std::string show(const Value& value) {
    if constexpr (std::is_arithmetic_v<Value>) {
        return std::to_string(value);
    } else {
        return value;
    }
}

// The same numbers in every run (xorshift, Marsaglia 2003).
class Random {
  public:
    explicit Random(uint32_t seed) : state(seed) {}

    uint32_t below(uint32_t limit) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state % limit;
    }

    // Changes, drops, doubles or adds a few bytes.
    void mutate(std::string& text) {
        for (uint32_t i = 1 + below(4); i > 0 && !text.empty(); i--) {
            const size_t place = below(static_cast<uint32_t>(text.size()));
            switch (below(5)) {
                case 0:
                    text[place] = static_cast<char>(below(256));
                    break;
                case 1:
                    text[place] = static_cast<char>(text[place] ^ (1 << below(8)));
                    break;
                case 2:
                    text.erase(place, 1 + below(8));
                    break;
                case 3:
                    text.insert(place, text.substr(place, below(32)));
                    break;
                default:
                    text.insert(place, 1 + below(80), static_cast<char>(below(256)));
            }
        }
    }

  private:
    uint32_t state;
};
