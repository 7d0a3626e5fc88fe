// Device code that uses a setting of each type, and says what it sees of them.

#include <esper/features/OnOffFeature.h>
#include <esper/features/Sensor.h>
#include <settings.h>

using namespace esper;

Device device;

constexpr const char SOCKET[] = "socket";
OnOffFeature<SOCKET, 12, false, 1> socket(&device);

static int32_t interval() {
    return settings::interval;
}
static int32_t enabled() {
    return settings::enabled ? 1 : 0;
}
static int32_t mode() {
    return static_cast<int32_t>(settings::mode.index()) + (settings::mode.is("fast") ? 100 : 0);
}
static int32_t greeting() {  // the sum of its bytes
    int32_t sum = 0;
    for (const char* c = settings::greeting; *c != 0; c++) {
        sum += static_cast<uint8_t>(*c);
    }
    return sum;
}
static const int32_t first = settings::interval;  // before anything else runs
static int32_t atStart() {
    return first;
}

constexpr const char INTERVAL[] = "interval", ENABLED[] = "enabled", MODE[] = "mode",
                     GREETING[] = "greeting", FIRST[] = "first", CHANGES[] = "changes";
Sensor<INTERVAL, interval, 1> intervalSensor(&device);
Sensor<ENABLED, enabled, 1> enabledSensor(&device);
Sensor<MODE, mode, 1> modeSensor(&device);
Sensor<GREETING, greeting, 1> greetingSensor(&device);
Sensor<FIRST, atStart, 1> firstSensor(&device);

static int32_t changes = 0;
static int32_t countChanges() {
    return changes;
}
Sensor<CHANGES, countChanges, 1> changesSensor(&device);

class Counter {
  public:
    Counter() {
        settings::interval.onChange(bind<Counter, &Counter::count>, this);
        settings::enabled.onChange(bind<Counter, &Counter::count>, this);
        settings::mode.onChange([](void*) { changes++; });
        settings::greeting.onChange([](void*) { changes++; });
    }

  private:
    void count() { changes++; }
};
static Counter counter;

Device* getDevice() {
    return &device;
}
