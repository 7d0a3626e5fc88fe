#pragma once

#include <stddef.h>
#include <string.h>

#include "Feature.h"

namespace esper {

// Does something once, when the command press comes at <name>/set. Of kind button, which has no
// state. Device code derives from it and does it in press. RAM: 44 bytes.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Command : private Commands<name>, public FeatureOf<Kind::BUTTON, name, about> {
  public:
    virtual void press() = 0;

  protected:
    explicit Command(Device* device)
        : Commands<name>(device, receive<Command, &Command::onCommand>, this),
          FeatureOf<Kind::BUTTON, name, about>(device) {}

  private:
    void publishState() override {}

    void onCommand(const char* payload, size_t length) {
        if (length == 5 && memcmp(payload, "press", 5) == 0) {
            press();
        }
    }
};

// Calls a function when the command press comes at <name>/set. RAM as of Command.
template <const char* const name, void (*function)(), const Attributes& about = NO_ATTRIBUTES>
class Trigger : public Command<name, about> {
  public:
    explicit Trigger(Device* device) : Command<name, about>(device) {}
    void press() override { function(); }
};

}  // namespace esper
