// A roller shutter with two relays, up and down, of which never both are on. It takes 20 s for the
// whole way, by which its position is known.

#include <board.h>
#include <esper/features/RelayCover.h>

using namespace esper;

constexpr const char SHUTTER[] = "shutter";
constexpr Attributes ABOUT_SHUTTER = Attributes().name("Shutter").deviceClass("shutter");

Device device;
RelayCover<SHUTTER, board::D1, board::D2, 20000, false, ABOUT_SHUTTER> shutter(&device);

Device* getDevice() {
    return &device;
}
