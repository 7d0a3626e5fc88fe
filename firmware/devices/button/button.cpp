// A board with a relay and a button: the button switches the relay, as do commands.

#include <board.h>
#include <esper/features/Button.h>
#include <esper/features/OnOffFeature.h>

using namespace esper;

constexpr const char RELAY[] = "relay";
constexpr const char BUTTON[] = "button";

Device device;
OnOffFeature<RELAY, board::RELAY, board::RELAY_INVERTED> relay(&device);
Button<BUTTON, board::BUTTON, board::BUTTON_INVERTED> button(&device, toggles(relay));

Device* getDevice() {
    return &device;
}
