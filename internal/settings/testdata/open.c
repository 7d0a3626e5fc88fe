// Opens a settings release with Monocypher: reads a key of 32 bytes and the file, and writes the
// entries. The result is 1 if the key does not open it.

#include <stdio.h>

#include "monocypher.h"

static unsigned u16(const uint8_t* at) {
    return at[0] | at[1] << 8;
}

int main(void) {
    static uint8_t input[32 + 2560];
    size_t size = fread(input, 1, sizeof input, stdin);
    const uint8_t *key = input, *file = input + 32;
    unsigned entries = u16(file + 52), keys = u16(file + 54);
    const uint8_t* sealed = file + 96 + keys * 72;
    if (size < (size_t)(sealed - input) + entries + 64) {
        return 2;
    }
    for (unsigned i = 0; i < keys; i++) {
        const uint8_t* at = file + 96 + i * 72;
        uint8_t content[32], plain[2048];
        if (crypto_aead_unlock(content, at + 24, key, at, file, 56, at + 40, 32) != 0) {
            continue;
        }
        if (crypto_aead_unlock(plain, file + 80, content, file + 56, file, 56, sealed, entries) != 0) {
            return 1;
        }
        return fwrite(plain, 1, entries, stdout) == entries ? 0 : 2;
    }
    return 1;
}
