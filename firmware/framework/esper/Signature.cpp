#include "Signature.h"

#include <monocypher.h>

#include "Sha512.h"
#include "Text.h"

bool SignedText::verify(const uint8_t signature[64], const uint8_t key[32]) const {
    uint8_t hash[64];
    {
        // Longest: 17 + 7+31 + 8+32 + 9+10 + 5+1 + 7+64 characters and 6 line ends.
        char buffer[208];
        Text text(buffer, sizeof(buffer));
        text.add("esper firmware 1\ndevice ").add(device).add("\nversion ").add(version);
        text.add("\nsequence ").number(sequence).add("\nslot ").number(slot);
        text.add("\nsha256 ").hex(sha256, 32).add('\n');
        if (!text.fits()) {
            return false;
        }
        Sha512 sha512;
        sha512.update(signature, 32);
        sha512.update(key, 32);
        sha512.update(text.text(), text.length());
        sha512.finish(hash);
    }
    uint8_t reduced[32];
    crypto_eddsa_reduce(reduced, hash);
    return crypto_eddsa_check_equation(signature, key, reduced) == 0;
}
