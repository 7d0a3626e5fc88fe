// What the fuzz targets have in common. Each file <target>.cpp defines the function that
// libFuzzer calls; corpus/<target> holds what it begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the run: what was promised does not hold for this input.
#define PROMISE(condition)                                                                 \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (false)

// Takes numbers off the front of an input; 0 when it is used up.
class Input {
  public:
    Input(const uint8_t* data, size_t size) : data(data), left(size) {}

    uint8_t byte() {
        uint8_t value = 0;
        take(&value, 1);
        return value;
    }

    uint32_t word() {
        uint32_t value = 0;
        take(&value, 4);
        return value;
    }

    // Copies as many bytes as are left, and returns how many.
    size_t take(void* out, size_t length) {
        const size_t taken = length < left ? length : left;
        if (taken > 0) {
            memcpy(out, data, taken);
        }
        data += taken;
        left -= taken;
        return taken;
    }

    const uint8_t* rest() const { return data; }
    size_t size() const { return left; }

  private:
    const uint8_t* data;
    size_t left;
};
