// A thermostat: a target that outlives power cuts, a mode, and a heating relay with half a degree
// of hysteresis. The temperature comes over MQTT from another device, as <realm>/<id>/room, in
// degrees.

#include <board.h>
#include <esper/Persisted.h>
#include <esper/features/Number.h>
#include <esper/features/OnOffFeature.h>
#include <esper/features/Select.h>
#include <esper/features/Sensor.h>

using namespace esper;

constexpr const char TARGET[] = "target";
constexpr const char MODE[] = "mode";
constexpr const char HEATING[] = "heating";
constexpr const char CURRENT[] = "current";
constexpr Attributes ABOUT_TARGET = Attributes()
                                        .name("Target")
                                        .deviceClass("temperature")
                                        .unit("°C")
                                        .range(Decimal(50, 1), Decimal(300, 1), Decimal(5, 1));
constexpr Attributes ABOUT_MODE = Attributes().name("Mode").options("off", "heat");
constexpr Attributes ABOUT_CURRENT = Attributes()
                                         .name("Temperature")
                                         .deviceClass("temperature")
                                         .unit("°C")
                                         .precision(1)
                                         .measurement();

constexpr uint32_t STALE = 30 * 60 * 1000;  // ms, until a temperature does not count any more
constexpr int32_t HYSTERESIS = 5;           // tenths of a degree

static void control();

Device device;
OnOffFeature<HEATING, board::D1, board::D1_INVERTED> heating(&device);
Measurement<CURRENT, ABOUT_CURRENT> current(&device);

static Persisted<int32_t> kept("target", 200);  // tenths of a degree

class Target : public Number<TARGET, ABOUT_TARGET> {
  public:
    explicit Target(Device* device) : Number(device, Decimal(kept, 1)) {}

  private:
    void apply(Decimal target) override {
        kept.set(target.value);
        control();
    }
};

class Mode : public Select<MODE, ABOUT_MODE> {
  public:
    explicit Mode(Device* device) : Select(device, 1) {}

  private:
    void apply(size_t) override { control(); }
};

Target target(&device);
Mode mode(&device);

// Without a temperature it does not heat: better cold than a fire.
static void control() {
    bool on = heating.isOn();
    if (mode.get() == 0 || current.get().isNone()) {
        on = false;
    } else if (current.get().value < target.get().value - HYSTERESIS) {
        on = true;
    } else if (current.get().value >= target.get().value) {
        on = false;
    }
    if (on != heating.isOn()) {
        heating.set(on);
    }
}

class Room {
  public:
    explicit Room(Device* device)
        : stale(bind<Room, &Room::lose>, this),
          topic(device, Subscription::Scope::ONE, "room", "", receive<Room, &Room::onTemperature>,
                this) {}

  private:
    void onTemperature(const char* payload, size_t length) {
        int32_t tenths;
        if (Decimal::parse(payload, length, 1, tenths)) {
            current.set(Decimal(tenths, 1));
            stale.once(STALE);
            control();
        }
    }

    void lose() {
        current.set(NO_VALUE);
        control();
    }

    Timer stale;
    Subscription topic;
};

Room room(&device);

Device* getDevice() {
    return &device;
}
