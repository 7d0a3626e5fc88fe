#pragma once

#include <stdint.h>

namespace esper {

// The check of an Ed25519 signature (RFC 8032, 5.1.7) in steps, between which the device goes
// on with its work: [8][S]B = [8]R + [8][k]A, with S below the group's order.
class Ed25519 {
  public:
    // What step() returns; anything else says that the signature is not valid. No glitch looks
    // like VALID.
    static constexpr uint32_t VALID = 0x3A5C96E1;
    static constexpr uint32_t INVALID = 0;
    static constexpr uint32_t UNDECIDED = 1;

    // k is SHA-512(R, A, message). signature and key must outlive the check.
    void begin(const uint8_t signature[64], const uint8_t key[32], const uint8_t k[64]);

    // Goes on for about 5 ms.
    uint32_t step();

  private:
    static constexpr int WINDOW = 2;  // odd multiples of A

    enum class Stage : uint8_t { KEY, R, SUM, COMPARISON };
    using Point = int32_t[40];

    uint32_t readKey();
    uint32_t readR();
    void add();
    uint32_t compare();

    Stage stage;
    int16_t bit;            // of the scalars, that comes next
    uint32_t slides[2][2];  // of S and k: how far their digits are known
    Point table[WINDOW];    // multiples of -A
    Point minusR;
    Point sum;
    uint8_t scalar[32];  // k, reduced
    const uint8_t* signature;
    const uint8_t* key;
};

}  // namespace esper
