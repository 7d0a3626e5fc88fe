#include <esper/features/OnOffFeature.h>

constexpr const char NAME[] = "socket";
constexpr const uint16_t GPIO = 12;

Device device;
OnOffFeature<NAME, GPIO, false, 1> socket(&device);

Device* getDevice() {
    return &device;
}
