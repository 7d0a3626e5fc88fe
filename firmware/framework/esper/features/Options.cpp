#include "Options.h"

namespace esper {

bool Options::find(const char* text, size_t length, size_t& index) const {
    size_t place = 0;
    for (size_t at = 0; at < texts.length(); place++) {
        const size_t size = static_cast<uint8_t>(texts[at++]);
        size_t same = 0;
        while (same < size && same < length && texts[at + same] == text[same]) {
            same++;
        }
        if (size == length && same == size) {
            index = place;
            return true;
        }
        at += size;
    }
    return false;
}

void Options::write(size_t index, Text& out) const {
    size_t at = 0;
    for (; index > 0 && at < texts.length(); index--) {
        at += 1u + static_cast<uint8_t>(texts[at]);
    }
    if (at < texts.length()) {
        for (size_t left = static_cast<uint8_t>(texts[at]); left > 0; left--) {
            out.add(texts[++at]);
        }
    }
}

}  // namespace esper
