#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// A text that lies in flash and costs no RAM. Content::write(out) writes it at compile time, by
// out.add(char). The linker script knows it by the name of its section, since the compiler ignores
// a section attribute on a template.
template <class Content>
class InFlash {
    // Takes characters, and only counts them.
    struct Counter {
        constexpr void add(char) { length++; }
        size_t length = 0;
    };

    // Takes at most so many characters, four to a word as the chip reads them: the first in the
    // lowest byte.
    template <size_t capacity>
    struct Words {
        constexpr void add(char c) {
            words[length / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(c))
                                 << (8 * (length % 4));
            length++;
        }
        uint32_t length = 0;
        uint32_t words[capacity / 4 + 1] = {};
    };

    static constexpr size_t count() {
        Counter counter;
        Content::write(counter);
        return counter.length;
    }

    using Type = Words<count()>;
    static constexpr Type make() {
        Type out;
        Content::write(out);
        return out;
    }
    static const Type content;

  public:
    static constexpr size_t LENGTH = count();
    static const uint32_t* words() { return &content.length; }
};

template <class Content>
const typename InFlash<Content>::Type InFlash<Content>::content = InFlash<Content>::make();

// Reads a text in flash, where only whole words can be read.
class FlashText {
  public:
    constexpr FlashText() = default;  // none
    constexpr explicit FlashText(const uint32_t* words) : words(words) {}

    template <class Content>
    static FlashText of() {
        return FlashText(InFlash<Content>::words());
    }

    explicit operator bool() const { return words != nullptr; }
    size_t length() const { return word(0); }
    char operator[](size_t at) const {
        return static_cast<char>(word(1 + at / 4) >> (8 * (at % 4)));
    }

  private:
    // Volatile, or the compiler would read a single byte of it.
    uint32_t word(size_t index) const { return const_cast<const volatile uint32_t*>(words)[index]; }

    const uint32_t* words = nullptr;
};

}  // namespace esper
