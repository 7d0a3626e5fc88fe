#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// What a setting may be, as the build writes it: words in flash, which can be read by whole words
// only. A switch is a number from 0 to 1.
class SettingRule {
  public:
    explicit SettingRule(const uint32_t* words) : words(words) {}

    // Of a number.
    int32_t standard() const { return word(3); }
    bool allows(int32_t number) const;

    // Of a text. Standard writes at most MAX_TEXT bytes and a 0.
    void standard(char* out) const;
    bool allows(const char* text, size_t length) const;

    // The place of a text among the options; their number if it is none of them.
    size_t option(const char* text, size_t length) const;

    static constexpr size_t MAX_TEXT = 64;

  private:
    // Words 0 to 3, of a number: least, greatest, step, default. Of a text: number of options,
    // longest value in bytes, 0, 0. From word 4 on the texts, each ended by a 0: the default and
    // the options.
    static constexpr size_t TEXTS = 4;

    int32_t word(size_t index) const {
        return static_cast<int32_t>(const_cast<const volatile uint32_t*>(words)[index]);
    }
    char letter(size_t index) const {
        return static_cast<char>(static_cast<uint32_t>(word(TEXTS + index / 4)) >>
                                 (8 * (index % 4)));
    }

    const uint32_t* const words;
};

}  // namespace esper
