// A Sonoff Basic: its button switches the relay, as do commands.

#include <esper/features/Button.h>
#include <esper/features/OnOffFeature.h>

constexpr const char RELAY[] = "relay";
constexpr const char BUTTON[] = "button";

Device device;
OnOffFeature<RELAY, 12> relay(&device);
Button<BUTTON, 0> button(&device, toggles(relay));

Device* getDevice() {
    return &device;
}
