#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Feature.h"
#include "Options.h"

namespace esper {

// One of several options, which people choose at <name>/set. Its attributes have the options; for
// code each is its place among them, from 0 on. Other commands are ignored. Device code asks for
// it, or derives and overrides apply. RAM: 48 bytes; the options lie in flash.
template <const char* const name, const Attributes& about>
class Select : private Commands<name>, public FeatureOf<Kind::SELECT, name, about> {
  public:
    explicit Select(Device* device, size_t initial = 0)
        : Commands<name>(device, receive<Select, &Select::onCommand>, this),
          FeatureOf<Kind::SELECT, name, about>(device),
          index(initial < about.values.optionCount ? initial : 0) {}

    size_t get() const { return index; }

    // Chooses an option. False: there is none at that place.
    bool set(size_t wanted) {
        if (wanted >= about.values.optionCount) {
            return false;
        }
        index = wanted;
        apply(index);
        publishState();
        return true;
    }

  protected:
    // Called when it was set, by a command or by code.
    virtual void apply(size_t) {}

  private:
    static Options options() { return Options(FlashText::of<attributes::AsOptions<about>>()); }

    void publishState() override {
        char buffer[Attributes::MAX_OPTION + 1];
        Text text(buffer, sizeof(buffer));
        options().write(index, text);
        this->publish(text.text(), text.length());
    }

    void onCommand(const char* payload, size_t length) {
        size_t wanted = 0;
        if (options().find(payload, length, wanted)) {
            set(wanted);
        }
    }

    size_t index;
};

}  // namespace esper
