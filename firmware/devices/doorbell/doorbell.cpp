// A doorbell: a push button at D2, whose presses are events, and a gong at D1 that strikes for 300
// ms. Home Assistant can ring it, too.

#include <board.h>
#include <esper/features/Pulse.h>
#include <esper/features/PushButton.h>

using namespace esper;

constexpr const char BUTTON[] = "button";
constexpr const char GONG[] = "gong";
constexpr Attributes ABOUT_BUTTON = Attributes().name("Button").deviceClass("doorbell");
constexpr Attributes ABOUT_GONG = Attributes().name("Gong").icon("mdi:bell-ring");

Device device;
Pulse<GONG, board::D1, board::D1_INVERTED, 0, 300, ABOUT_GONG> gong(&device);
PushButton<BUTTON, board::D2, true, ABOUT_BUTTON> button(&device, presses(gong));

Device* getDevice() {
    return &device;
}
