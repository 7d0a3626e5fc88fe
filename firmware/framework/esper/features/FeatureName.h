#pragma once

#include <stddef.h>

// A feature's name is a level of a topic beside the device's own ones (SPEC 7.1).
namespace esper::feature_name {

constexpr size_t MAX_LENGTH = 32;

constexpr size_t length(const char* name) {
    size_t count = 0;
    while (name[count] != 0) {
        count++;
    }
    return count;
}

constexpr bool equal(const char* a, const char* b) {
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

constexpr bool isPlain(const char* name) {
    for (; *name != 0; name++) {
        const char c = *name;
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

constexpr bool isTaken(const char* name) {
    return equal(name, "status") || equal(name, "info") || equal(name, "update") ||
           equal(name, "reboot") || equal(name, "settings") || equal(name, "setting") ||
           equal(name, "features");
}

}  // namespace esper::feature_name
