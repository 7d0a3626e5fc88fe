#include "LightState.h"

#include "../JsonValue.h"

namespace esper {

// Reads a member from 0 to 255. False: it is there, and something else.
static bool level(const JsonValue& member, uint8_t& out) {
    int32_t number = out;
    if (member.exists() && !(member.number(number) && number >= 0 && number <= 255)) {
        return false;
    }
    out = static_cast<uint8_t>(number);
    return true;
}

bool LightState::command(const char* payload, size_t length, bool hasBrightness, bool hasColor) {
    if (length == 1 && (payload[0] == '0' || payload[0] == '1')) {
        on = payload[0] == '1';
        return true;
    }
    const JsonValue json = JsonValue::parse(payload, length);
    if (json.type() != JsonValue::Type::OBJECT) {
        return false;
    }
    LightState wanted = *this;
    const JsonValue state = json.member("state");
    if (state.exists()) {
        wanted.on = state.is("ON");
        if (!wanted.on && !state.is("OFF")) {
            return false;
        }
    }
    if (hasBrightness && !level(json.member("brightness"), wanted.brightness)) {
        return false;
    }
    const JsonValue color = json.member("color");
    if (hasColor && color.exists()) {
        const JsonValue red = color.member("r");
        const JsonValue green = color.member("g");
        const JsonValue blue = color.member("b");
        if (!red.exists() || !green.exists() || !blue.exists() || !level(red, wanted.red) ||
            !level(green, wanted.green) || !level(blue, wanted.blue)) {
            return false;
        }
    }
    if (wanted.brightness == 0) {
        wanted.brightness = brightness;
        wanted.on = false;
    }
    *this = wanted;
    return true;
}

void LightState::write(Json& json, bool hasBrightness, bool hasColor) const {
    json.object().string("state", on ? "ON" : "OFF");
    if (hasBrightness) {
        json.number("brightness", uint32_t{brightness});
    }
    if (hasColor) {
        json.string("color_mode", "rgb").object("color");
        json.number("r", uint32_t{red}).number("g", uint32_t{green}).number("b", uint32_t{blue});
        json.endObject();
    }
    json.endObject();
}

}  // namespace esper
