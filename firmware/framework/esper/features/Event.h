#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../Json.h"
#include "Feature.h"
#include "Options.h"

namespace esper {

// Something that happens, such as a ring at the door. Its attributes have as options what can
// happen. An event is no state: it is not retained, and lost while the device is not connected. Of
// kind event. RAM: 16 bytes; the options lie in flash.
template <const char* const name, const Attributes& about>
class Event : public FeatureOf<Kind::EVENT, name, about> {
  public:
    explicit Event(Device* device) : FeatureOf<Kind::EVENT, name, about>(device) {}

    // Publishes that one of the options has happened. Another text is ignored.
    void publish(const char* option) {
        size_t index = 0;
        if (options().find(option, strlen(option), index)) {
            publishAt(index);
        }
    }

    // The same by the option's place among them, from 0 on.
    void publishAt(size_t option) {
        char type[Attributes::MAX_OPTION + 1];
        Text text(type, sizeof(type));
        options().write(option, text);
        if (text.length() > 0) {
            char buffer[2 * Attributes::MAX_OPTION + 24];  // each character may have an escape
            Json json(buffer, sizeof(buffer));
            json.object().string("event_type", type).endObject();
            this->announce(name, "", json.text(), json.length());
        }
    }

  private:
    static Options options() { return Options(FlashText::of<attributes::AsOptions<about>>()); }

    void publishState() override {}
};

}  // namespace esper
