#pragma once

#include <stdint.h>

namespace esper {

// Reads what an adaptive binary range coder wrote (SPEC 6.1). The input comes in pieces; behind its
// end there are zeros.
class RangeDecoder {
  public:
    // The probability that the next bit is 0, in 4096ths in the upper 12 bits, and in the lower 4
    // how many bits it has seen, up to 15.
    using Bit = uint16_t;
    static constexpr Bit EVENLY = 2048 << 4;

    // A byte, bit by bit from the highest, each in the context of those before.
    using Byte = Bit[256];

    // A number below 2^24 - 1.
    struct Number {
        static constexpr uint32_t MAX_BITS = 24;
        Bit longer[MAX_BITS - 1];  // by how many bits there are at least
        Bit first[MAX_BITS];       // by how many bits there are
        Bit second[MAX_BITS][2];   // the same, and the first
    };

    struct Integer {
        Bit negative;
        Number number;
    };

    // A place for the input that is still to be decoded: what may be under way when no more is
    // asked for, and what the longest symbol needs.
    static constexpr uint32_t CAPACITY = 7680;

    void begin();

    // At most room() bytes.
    void add(const uint8_t* data, uint32_t length);
    uint32_t room() const { return CAPACITY - (arrived - taken); }
    uint32_t waiting() const { return arrived - taken; }

    uint8_t raw();  // the next byte as it is
    void start();   // behind the raw bytes

    bool bit(Bit& probability);
    uint8_t byte(Byte& probabilities);
    uint32_t number(Number& probabilities);
    int32_t integer(Integer& probabilities);

  private:
    void shift() { value = value << 8 | raw(); }

    uint32_t arrived;  // bytes of the input
    uint32_t taken;
    uint32_t value;
    uint32_t width;
    uint8_t input[CAPACITY];  // ring
};

}  // namespace esper
