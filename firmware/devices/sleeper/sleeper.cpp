// A brightness sensor on a battery: it wakes every ten minutes, measures, publishes, looks for an
// update when that is due, and sleeps. GPIO16 must be connected to the reset pin.

#include <esper/Adc.h>
#include <esper/Sleep.h>
#include <esper/features/Sensor.h>

using namespace esper;

constexpr const char BRIGHTNESS[] = "brightness";
constexpr Attributes ABOUT_BRIGHTNESS = Attributes().name("Brightness").measurement();

Device device;
Sensor<BRIGHTNESS, readAdc, 600, ABOUT_BRIGHTNESS> brightness(&device);
Sleep sleep(&device, 600);

Device* getDevice() {
    return &device;
}
