#include "Printable.h"

#include <string.h>

namespace esper {

void copyPrintable(const char* from, char* to, size_t capacity) {
    while (*from != 0) {
        const size_t printable = printableBytes(from);
        const size_t bytes = printable > 0 ? printable : 1;
        if (bytes >= capacity) {
            break;
        }
        memcpy(to, printable > 0 ? from : "?", bytes);
        from += bytes;
        to += bytes;
        capacity -= bytes;
    }
    *to = 0;
}

}  // namespace esper
