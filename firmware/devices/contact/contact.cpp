// A door or window: a reed contact between D2 and ground, closed by a magnet while the door is
// shut.

#include <board.h>
#include <esper/features/Contact.h>

using namespace esper;

constexpr const char DOOR[] = "door";
constexpr Attributes ABOUT_DOOR = Attributes().name("Door").deviceClass("door");

Device device;
Contact<DOOR, board::D2, false, ABOUT_DOOR> door(&device);

Device* getDevice() {
    return &device;
}
