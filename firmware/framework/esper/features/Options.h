#pragma once

#include <stddef.h>

#include "../InFlash.h"
#include "../Text.h"

namespace esper {

// The options of a select or an event, in flash, each behind its length.
class Options {
  public:
    explicit Options(FlashText texts) : texts(texts) {}

    // The place of a text among them, from 0 on. False: it is none of them.
    bool find(const char* text, size_t length, size_t& index) const;

    // Adds the one at a place; nothing if there is none.
    void write(size_t index, Text& out) const;

  private:
    const FlashText texts;
};

}  // namespace esper
