// Feeds the files named to a target, for compilers without libFuzzer.
#include "fuzz.h"

int main(int count, char** files) {
    for (int i = 1; i < count; i++) {
        FILE* file = fopen(files[i], "rb");
        if (file == nullptr) {
            perror(files[i]);
            return 1;
        }
        static uint8_t content[1 << 20];
        const size_t size = fread(content, 1, sizeof content, file);
        fclose(file);
        // A copy of the very size, so that the sanitizer sees what is read behind it.
        uint8_t* const copy = static_cast<uint8_t*>(malloc(size > 0 ? size : 1));
        memcpy(copy, content, size);
        fprintf(stderr, "%s\n", files[i]);
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
}
