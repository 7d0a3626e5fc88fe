// Brightness, by a photoresistor in a voltage divider at the analogue input.

#include <esper/Adc.h>
#include <esper/features/Sensor.h>

using namespace esper;

constexpr const char BRIGHTNESS[] = "brightness";

Device device;
Sensor<BRIGHTNESS, readAdc, 10> brightness(&device);

Device* getDevice() {
    return &device;
}
