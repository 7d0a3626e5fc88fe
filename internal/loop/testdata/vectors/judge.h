// Judges the signature vectors with what an update judges signatures with. The build of the
// test puts them into vectors.h, as words, because flash is read by words only.
#pragma once

#include <esper/Signature.h>
#include <esper/VersionFile.h>
#include <string.h>

#include "vectors.h"

class Judge {
  public:
    bool more() const { return word < VECTOR_WORDS; }

    // The next vector's number, from 0, and whether the signature holds.
    uint32_t judge(bool* valid) {
        keyLength = take(key, sizeof(key));
        messageLength = take(message, sizeof(message));
        const uint32_t length = take(signature, sizeof(signature));
        // A key has 32 bytes by its type, and a signature comes in a version file.
        *valid = keyLength == 32 && readFile(length) &&
                 esper::verifySignature(message, messageLength, release.signatures[0][0], key);
        return number++;
    }

  private:
    // A length in bytes, and the bytes in whole words.
    uint32_t take(uint8_t* to, uint32_t size) {
        const uint32_t length = VECTORS[word++];
        for (uint32_t i = 0; i < length; i += 4) {
            const uint32_t next = VECTORS[word++];
            if (i + 4 <= size) {
                memcpy(to + i, &next, 4);
            }
        }
        return length;
    }

    bool readFile(uint32_t length) {
        size_t used = 0;
        auto add = [&](const char* text) {
            memcpy(file + used, text, strlen(text));
            used += strlen(text);
        };
        add("v\n");
        for (int slot = 0; slot < 2; slot++) {
            for (uint32_t i = 0; i < length; i++) {
                file[used++] = "0123456789abcdef"[signature[i] >> 4];
                file[used++] = "0123456789abcdef"[signature[i] & 15];
            }
            add("\n");
        }
        add("sequence 1\n");
        return release.parse(file, used);
    }

    uint32_t word = 0;
    uint32_t number = 0;
    uint32_t keyLength = 0;
    uint32_t messageLength = 0;
    uint8_t key[64];
    uint8_t message[1024];
    uint8_t signature[128];
    char file[600];
    esper::Release release;
};
