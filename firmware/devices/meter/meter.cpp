// An energy meter with an S0 output, 1000 pulses a kilowatt-hour, between D2 and ground. The total
// outlives restarts, updates and power cuts.

#include <board.h>
#include <esper/features/PulseCounter.h>

using namespace esper;

constexpr const char ENERGY[] = "energy";
constexpr Attributes ABOUT_ENERGY =
    Attributes().name("Energy").deviceClass("energy").unit("Wh").totalIncreasing();

Device device;
PulseCounter<ENERGY, board::D2, Edge::FALLING, 5000, 60, 10, ABOUT_ENERGY> energy(&device);

Device* getDevice() {
    return &device;
}
