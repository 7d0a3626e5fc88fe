#include "RangeDecoder.h"

namespace esper {

void RangeDecoder::begin() {
    arrived = taken = 0;
}

void RangeDecoder::add(const uint8_t* data, uint32_t length) {
    while (length-- > 0) {
        input[arrived++ % CAPACITY] = *data++;
    }
}

uint8_t RangeDecoder::raw() {
    return taken == arrived ? uint8_t{0} : input[taken++ % CAPACITY];
}

void RangeDecoder::start() {
    width = 0xFFFFFFFF;
    for (int i = 0; i < 4; i++) {
        shift();
    }
}

// By how much, in 65536ths, a probability moves towards a bit: far while it has seen few of them,
// 65536 / (seen + 2.5), and in the end 65536 / 21.
static const uint16_t RATES[16] = {26214, 18724, 14563, 11915, 10082, 8738, 7710, 6898,
                                   6241,  5698,  5242,  4854,  4519,  4228, 3971, 3120};

bool RangeDecoder::bit(Bit& probability) {
    const uint32_t seen = probability & 15;
    uint32_t p = probability >> 4;
    const uint32_t bound = (width >> 12) * p;
    const bool one = value >= bound;
    if (one) {
        value -= bound;
        width -= bound;
        p -= p * RATES[seen] >> 16;
        p = p < 1 ? 1 : p;
    } else {
        width = bound;
        p += (4096 - p) * RATES[seen] >> 16;
        p = p > 4095 ? 4095 : p;
    }
    probability = static_cast<Bit>(p << 4 | (seen < 15 ? seen + 1 : 15));
    while (width < 1u << 24) {
        width <<= 8;
        shift();
    }
    return one;
}

uint8_t RangeDecoder::byte(Byte& probabilities) {
    uint32_t at = 1;
    while (at < 256) {
        at = at << 1 | bit(probabilities[at]);
    }
    return static_cast<uint8_t>(at);
}

uint32_t RangeDecoder::number(Number& n) {
    uint32_t length = 0;
    while (length < Number::MAX_BITS - 1 && bit(n.longer[length])) {
        length++;
    }
    uint32_t out = 1;
    for (uint32_t i = length; i > 0; i--) {
        Bit even = EVENLY;
        Bit& probability = i == length       ? n.first[length]
                           : i == length - 1 ? n.second[length][out & 1]
                                             : even;
        out = out << 1 | bit(probability);
    }
    return out - 1;
}

int32_t RangeDecoder::integer(Integer& i) {
    const bool negative = bit(i.negative);
    const int32_t value = static_cast<int32_t>(number(i.number));
    return negative ? -value : value;
}

}  // namespace esper
