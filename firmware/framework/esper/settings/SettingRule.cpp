#include "SettingRule.h"

namespace esper {

bool SettingRule::allows(int32_t number) const {
    const int32_t least = word(0);
    return number >= least && number <= word(1) &&
           (static_cast<uint32_t>(number) - static_cast<uint32_t>(least)) %
                   static_cast<uint32_t>(word(2)) ==
               0;
}

void SettingRule::standard(char* out) const {
    size_t i = 0;
    for (; i < MAX_TEXT && letter(i) != 0; i++) {
        out[i] = letter(i);
    }
    out[i] = 0;
}

bool SettingRule::allows(const char* text, size_t length) const {
    if (length > static_cast<size_t>(word(1))) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (static_cast<uint8_t>(text[i]) < 0x20 || text[i] == 0x7F) {
            return false;
        }
    }
    const size_t options = static_cast<size_t>(word(0));
    return options == 0 || option(text, length) < options;
}

size_t SettingRule::option(const char* text, size_t length) const {
    const size_t options = static_cast<size_t>(word(0));
    size_t at = 0;
    while (letter(at++) != 0) {  // the default
    }
    for (size_t n = 0; n < options; n++) {
        size_t i = 0;
        while (i < length && letter(at + i) == text[i] && text[i] != 0) {
            i++;
        }
        if (i == length && letter(at + i) == 0) {
            return n;
        }
        while (letter(at++) != 0) {
        }
    }
    return options;
}

}  // namespace esper
