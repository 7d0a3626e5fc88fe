#include "check.h"

#include <cstdio>

static Test* tests;

Test::Test(const char* name, void (*function)()) : name(name), function(function), next(tests) {
    tests = this;
}

int main() {
    int failed = 0;
    for (const Test* test = tests; test != nullptr; test = test->next) {
        try {
            test->function();
            std::printf("ok %s\n", test->name);
        } catch (const Failure& failure) {
            std::printf("FAILED %s\n%s:%d: %s\n", test->name, failure.file, failure.line,
                        failure.what.c_str());
            failed++;
        }
    }
    return failed == 0 ? 0 : 1;
}
