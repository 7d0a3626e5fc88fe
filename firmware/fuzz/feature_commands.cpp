// The input is a command to a feature, behind a byte that says how many decimals the number has and
// what the light has. What the parsers make of it must be what plain readers make of it, and what
// is no command must change nothing.
#include <esper/Decimal.h>
#include <esper/JsonValue.h>
#include <esper/features/CoverCommand.h>
#include <esper/features/LightState.h>

#include <string>
#include <vector>

#include "fuzz.h"

using namespace esper;

namespace {

constexpr const char* DIGITS = "0123456789";

// Reads a number in units of 10^-places by its digits as a text.
bool readNumber(const std::string& text, size_t places, int32_t& out) {
    const bool negative = !text.empty() && text[0] == '-';
    const std::string number = text.substr(negative ? 1 : 0);
    const size_t point = number.find('.');
    std::string whole = number.substr(0, point);
    std::string rest = point == std::string::npos ? "0" : number.substr(point + 1);
    if (text.size() > 24 || whole.empty() || rest.empty() ||
        (whole.size() > 1 && whole[0] == '0') ||
        (whole + rest).find_first_not_of(DIGITS) != std::string::npos) {
        return false;
    }
    rest += std::string(places, '0');
    if (rest.find_first_not_of('0', places) != std::string::npos) {
        return false;
    }
    const std::string all = whole + rest.substr(0, places);
    const size_t first = all.find_first_not_of('0');
    if (first == std::string::npos) {
        out = 0;
        return true;
    }
    if (all.size() - first > 10) {
        return false;
    }
    const int64_t value = (negative ? -1 : 1) * std::stoll(all.substr(first));
    out = static_cast<int32_t>(value);
    return value == out;
}

std::string show(const LightState& state, bool hasBrightness, bool hasColor) {
    char buffer[LightState::MAX_LENGTH];
    Json json(buffer, sizeof buffer);
    state.write(json, hasBrightness, hasColor);
    PROMISE(json.fits());
    return json.text();
}

bool same(const LightState& a, const LightState& b) {
    return a.on == b.on && a.brightness == b.brightness && a.red == b.red && a.green == b.green &&
           a.blue == b.blue;
}

void tryLight(const std::vector<char>& text, bool hasBrightness, bool hasColor) {
    const LightState before = {true, 7, 1, 2, 3};
    LightState state = before;
    const bool done = state.command(text.data(), text.size(), hasBrightness, hasColor);
    PROMISE(done || same(state, before));
    PROMISE(state.brightness > 0);
    PROMISE(hasBrightness || state.brightness == before.brightness);
    PROMISE(hasColor || (state.red == 1 && state.green == 2 && state.blue == 3));
    const bool plain = text.size() == 1 && (text[0] == '0' || text[0] == '1');
    PROMISE(!done || plain ||
            JsonValue::parse(text.data(), text.size()).type() == JsonValue::Type::OBJECT);
    PROMISE(!plain || (done && state.on == (text[0] == '1')));
    // What a light says of itself is a command that leads there.
    const std::string said = show(state, hasBrightness, hasColor);
    LightState other = before;
    PROMISE(other.command(said.data(), said.size(), hasBrightness, hasColor));
    PROMISE(same(other, state));
}

void tryCover(const std::vector<char>& text, bool hasPosition) {
    const std::string word(text.begin(), text.end());
    CoverCommand command;
    int32_t percent = -1;
    const bool wanted =
        word == "open" || word == "close" || word == "stop" ||
        (hasPosition && readNumber(word, 0, percent) && percent >= 0 && percent <= 100);
    PROMISE(command.parse(text.data(), text.size(), hasPosition) == wanted);
    PROMISE(!wanted || (command.what == CoverCommand::MOVE) == (percent >= 0));
    PROMISE(percent < 0 || !wanted || command.position == percent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const uint8_t kind = input.byte();
    // Of the very size, so that the sanitizer sees what is read behind it.
    const std::vector<char> text(input.rest(), input.rest() + input.size());
    const uint8_t places = kind % 10;

    int32_t number = 4711;
    int32_t wanted = 4711;
    const bool is = readNumber(std::string(text.begin(), text.end()), places, wanted);
    PROMISE(Decimal::parse(text.data(), text.size(), places, number) == is);
    PROMISE(number == (is ? wanted : 4711));
    if (is) {  // written, it is read as the same
        char buffer[16];
        Text out(buffer, sizeof buffer);
        Decimal(number, places).write(out);
        int32_t again = 0;
        PROMISE(out.fits() && Decimal::parse(out.text(), out.length(), places, again));
        PROMISE(again == number);
    }
    tryLight(text, (kind & 64) != 0, (kind & 128) != 0);
    tryCover(text, (kind & 32) != 0);
    return 0;
}
