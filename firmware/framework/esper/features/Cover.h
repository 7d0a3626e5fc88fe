#pragma once

#include <stddef.h>
#include <stdint.h>

#include "CoverCommand.h"
#include "Feature.h"

namespace esper {

// Blinds, or a gate. Device code derives from it, moves it, and reports what it does. Commands at
// <name>/set are open, close and stop, and with position() in the attributes 0 (closed) to 100
// (open). RAM: 48 bytes.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Cover : private Commands<name>, public FeatureOf<Kind::COVER, name, about> {
  public:
    virtual void open() = 0;
    virtual void close() = 0;
    virtual void stop() = 0;

    // Only called with position(): 0 to 100.
    virtual void moveTo(uint8_t) {}

    CoverState getState() const { return state; }

  protected:
    explicit Cover(Device* device)
        : Commands<name>(device, receive<Cover, &Cover::onCommand>, this),
          FeatureOf<Kind::COVER, name, about>(device) {}

    // Publishes what the cover does, and where it is.
    void set(CoverState wanted, uint8_t percent = UNKNOWN) {
        state = wanted;
        position = percent <= 100 ? percent : UNKNOWN;
        publishState();
    }

    static constexpr uint8_t UNKNOWN = 255;  // position, which is left out then

  private:
    void publishState() override {
        char buffer[48];
        Json json(buffer, sizeof(buffer));
        json.object().string("state", nameOf(state));
        if (about.values.position && position != UNKNOWN) {
            json.number("position", uint32_t{position});
        }
        json.endObject();
        this->publish(json.text(), json.length());
    }

    void onCommand(const char* payload, size_t length) {
        CoverCommand command;
        if (!command.parse(payload, length, about.values.position)) {
            return;
        }
        switch (command.what) {
            case CoverCommand::OPEN:
                return open();
            case CoverCommand::CLOSE:
                return close();
            case CoverCommand::STOP:
                return stop();
            case CoverCommand::MOVE:
                return moveTo(command.position);
        }
    }

    CoverState state = CoverState::STOPPED;
    uint8_t position = UNKNOWN;
};

}  // namespace esper
