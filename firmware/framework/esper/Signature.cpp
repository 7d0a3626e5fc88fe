#include "Signature.h"

#include <string.h>

#include "Sha512.h"
#include "Text.h"

namespace esper {

namespace {

// The y of all points of small order, as little endian words: 0 (order 4), 1 and -1 (orders 1 and
// 2), and the two whose points double to one of order 4. In flash, as it is read by words only.
const uint32_t SMALL_ORDER[5][8]
#ifdef __XTENSA__
    __attribute__((section(".irom.constants.signature")))
#endif
    = {{0, 0, 0, 0, 0, 0, 0, 0},
       {1, 0, 0, 0, 0, 0, 0, 0},
       {0xFFFFFFEC, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF,
        0x7FFFFFFF},
       {0x8F95E826, 0xB027B2C2, 0x89F4C345, 0xF098EFF2, 0x05ACDFD5, 0x3933C6D3, 0x880238B1,
        0x05FC536D},
       {0x706A17C7, 0x4FD84D3D, 0x760B3CBA, 0x0F67100D, 0xFA53202A, 0xC6CC392C, 0x77FDC74E,
        0x7A03AC92}};

bool isSmallOrder(const uint32_t y[8]) {
    for (const auto& small : SMALL_ORDER) {
        uint32_t difference = 0;
        for (int i = 0; i < 8; i++) {
            difference |= y[i] ^ small[i];
        }
        if (difference == 0) {
            return true;
        }
    }
    return false;
}

// Less than p = 2^255 - 19.
bool isCanonical(const uint32_t y[8]) {
    uint32_t ones = y[7] | 0x80000000;
    for (int i = 1; i < 7; i++) {
        ones &= y[i];
    }
    return ones != 0xFFFFFFFF || y[0] < 0xFFFFFFED;
}

// What Monocypher lets pass and SPEC 5 does not. A y that is canonical and not of small order has
// an x that is not 0, so that both signs are right.
bool isSound(const uint8_t point[32]) {
    uint32_t y[8];
    memcpy(y, point, sizeof(y));  // little endian, as the chip is
    y[7] &= 0x7FFFFFFF;           // without the sign of x
    return isCanonical(y) && !isSmallOrder(y);
}

}  // namespace

bool beginSignature(Ed25519& check, const void* message, size_t length, const uint8_t signature[64],
                    const uint8_t key[32]) {
    if (!isSound(key) || !isSound(signature)) {
        return false;
    }
    Sha512 sha512;
    sha512.update(signature, 32);
    sha512.update(key, 32);
    sha512.update(message, length);
    uint8_t hash[64];
    sha512.finish(hash);
    check.begin(signature, key, hash);
    return true;
}

bool verifySignature(const void* message, size_t length, const uint8_t signature[64],
                     const uint8_t key[32]) {
    Ed25519 check;
    if (!beginSignature(check, message, length, signature, key)) {
        return false;
    }
    uint32_t result;
    do {
        result = check.step();
    } while (result == Ed25519::UNDECIDED);
    return result == Ed25519::VALID;
}

bool SignedText::begin(Ed25519& check, const uint8_t signature[64], const uint8_t key[32]) const {
    // Longest: 17 + 7+31 + 8+32 + 9+10 + 5+1 + 7+64 characters and 6 line ends.
    char buffer[208];
    Text text(buffer, sizeof(buffer));
    text.add("esper firmware 1\ndevice ").add(device).add("\nversion ").add(version);
    text.add("\nsequence ").number(sequence).add("\nslot ").number(slot);
    text.add("\nsha256 ").hex(sha256, 32).add('\n');
    return text.fits() && beginSignature(check, text.text(), text.length(), signature, key);
}

}  // namespace esper
