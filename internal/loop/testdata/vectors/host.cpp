// The same on the computer.
#include <cstdio>

#include "judge.h"

int main() {
    static Judge judge;
    while (judge.more()) {
        bool valid = false;
        const uint32_t number = judge.judge(&valid);
        std::printf("vector %u %s\n", number, valid ? "valid" : "invalid");
    }
    std::printf("judged all\n");
    return 0;
}
