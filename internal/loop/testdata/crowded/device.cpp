// As many features as a device may have, each with as long a name as is allowed. One tells how
// often getDevice ran, one says much at once.

#include <esper/features/Button.h>
#include <esper/features/OnOffFeature.h>
#include <esper/features/Sensor.h>

using namespace esper;

Device device;

#define FEATURES(ONE)                                                             \
    ONE(00) ONE(01) ONE(02) ONE(03) ONE(04) ONE(05) ONE(06) ONE(07) ONE(08) ONE(09) \
    ONE(10) ONE(11) ONE(12) ONE(13) ONE(14)
#define SWITCH(n)                                                          \
    constexpr const char SWITCH_##n[] = "switch-whose-name-is-this-long" #n; \
    OnOffFeature<SWITCH_##n, 12> switch_##n(&device);
#define BUTTON(n)                                                          \
    constexpr const char BUTTON_##n[] = "button-whose-name-is-this-long" #n; \
    Button<BUTTON_##n, 0> button_##n(&device);
FEATURES(SWITCH)
FEATURES(BUTTON)

static int32_t calls = 0;
static int32_t countCalls() {
    return calls;
}
constexpr const char CALLS[] = "calls-of-getDevice-since-a-start";
Sensor<CALLS, countCalls, 1> callsSensor(&device);

constexpr const char NOISE[] = "says-a-hundred-values-in-a-burst";
class Noise : public Feature<NOISE> {
  public:
    explicit Noise(Device* of) : Feature(of, "sensor"), timer(bind<Noise, &Noise::onTimer>, this) {
        timer.repeat(3000);
    }

  private:
    void onTimer() {
        for (int i = 0; i < 100; i++) {
            value++;
            publishState();
        }
    }
    void publishState() override { publish(value); }

    int32_t value = 0;
    Timer timer;
};
Noise noise(&device);

Device* getDevice() {
    calls++;
    return &device;
}
