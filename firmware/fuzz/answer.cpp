// The loop of an oracle. A question is a letter, the length of the input (4 bytes, little endian)
// and the input; the answer is one line.
#include <cstdio>
#include <string>
#include <vector>

#include "fuzz.h"

// What the oracle makes of an input.
std::string answer(char question, const uint8_t* data, size_t size);

int main() {
    for (;;) {
        uint8_t head[5];
        if (fread(head, 1, sizeof head, stdin) != sizeof head) {
            return 0;
        }
        uint32_t size;
        memcpy(&size, head + 1, 4);
        std::vector<uint8_t> input(size);  // of the very size, its end guarded
        if (fread(input.data(), 1, size, stdin) != size) {
            return 1;
        }
        puts(answer(static_cast<char>(head[0]), input.data(), size).c_str());
        fflush(stdout);
    }
}
