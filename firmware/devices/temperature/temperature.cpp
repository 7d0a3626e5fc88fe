// The temperature, by a thermistor (10 kOhm at 25 degrees, B = 3950) and a resistor of 10 kOhm in a
// divider at the analogue input: 3.3 V - resistor - A0 - thermistor - ground, on a board that
// scales A0 to 3.3 V.

#include <esper/Adc.h>
#include <esper/features/Sensor.h>
#include <settings.h>

using namespace esper;

constexpr const char TEMPERATURE[] = "temperature";
constexpr Attributes ABOUT_TEMPERATURE = Attributes()
                                             .name("Temperature")
                                             .deviceClass("temperature")
                                             .unit("°C")
                                             .precision(1)
                                             .measurement();

// What the input reads at -20, -10, 0 … 80 degrees. Between two of them the curve is nearly
// straight.
static const uint16_t READINGS[] = {934, 873, 788, 684, 569, 456, 354, 270, 204, 153, 115};
constexpr int32_t FIRST = -200;  // tenths of a degree
constexpr int32_t STEP = 100;

// Tenths of a degree. A broken wire reads 1023 or so, a short circuit 0.
static Decimal measure() {
    const int32_t reading = readAdc();
    for (size_t i = 0; i + 1 < sizeof(READINGS) / sizeof(READINGS[0]); i++) {
        const int32_t from = READINGS[i];
        const int32_t to = READINGS[i + 1];
        if (reading <= from && reading >= to) {
            const int32_t tenths =
                FIRST + STEP * static_cast<int32_t>(i) + STEP * (from - reading) / (from - to);
            return Decimal(tenths + settings::offset, 1);
        }
    }
    return NO_VALUE;
}

Device device;
Sensor<TEMPERATURE, measure, 60, ABOUT_TEMPERATURE> temperature(&device);

Device* getDevice() {
    return &device;
}
