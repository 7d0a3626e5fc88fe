// A feature of every kind of SPEC 7.6.

#include <esper/Adc.h>
#include <esper/features/BinarySensor.h>
#include <esper/features/BuiltinLED.h>
#include <esper/features/Contact.h>
#include <esper/features/Cover.h>
#include <esper/features/Number.h>
#include <esper/features/Pulse.h>
#include <esper/features/PushButton.h>
#include <esper/features/RelayCover.h>
#include <esper/features/Select.h>
#include <esper/features/Sensor.h>
#include <esper/features/Socket.h>
#include <esper/features/TextSensor.h>
#include <esper/features/ToggleButton.h>
#include <esper/features/Trigger.h>
#include <esper/features/TriggerButton.h>

using namespace esper;

Device device;

constexpr const char RELAY[] = "relay";
constexpr Attributes RELAY_IS = Attributes().name("Relay \"1\"").deviceClass("outlet");
OnOffFeature<RELAY, 12, false, 0, RELAY_IS> relay(&device);

constexpr const char SOCKET[] = "socket";
Socket<SOCKET, 13, false, NO_ATTRIBUTES, AfterRestart::SAME> socketFeature(&device);

constexpr const char VALVE[] = "valve";
OnOffFeature<VALVE, 3, true, 0, NO_ATTRIBUTES, AfterRestart::ON> valve(&device);

constexpr const char LED[] = "led";
BuiltinLED<LED> led(&device);

constexpr const char WET[] = "wet";
BinarySensor<WET> wet(&device);

constexpr const char DOOR[] = "door";
constexpr Attributes DOOR_IS = Attributes().deviceClass("door");
Contact<DOOR, 14, false, DOOR_IS> door(&device);

constexpr const char BUTTON[] = "button";
PushButton<BUTTON, 0> button(&device, toggles(relay));

constexpr const char TOGGLE[] = "toggle";
ToggleButton<TOGGLE, 4> toggle(&device, [](bool on) { led.set(on); });

constexpr const char HOLD[] = "hold";
TriggerButton<HOLD, 5> hold(&device, [](bool on) { wet.set(on); });

constexpr const char OPENER[] = "opener";
Pulse<OPENER, 15, false, 0, 400> opener(&device);

constexpr const char LEVEL[] = "level";
constexpr Attributes LEVEL_IS =
    Attributes().unit("°C").precision(1).measurement().deviceClass("temperature");
static Decimal level() {
    const int32_t raw = readAdc();
    return raw == 0 ? NO_VALUE : Decimal(raw - 500, 1);
}
Sensor<LEVEL, level, 10, LEVEL_IS> levelSensor(&device);

constexpr const char RAW[] = "raw";
Sensor<RAW, readAdc, 10> raw(&device);

constexpr const char GREETING[] = "greeting";
TextSensor<GREETING> greeting(&device);

constexpr const char TARGET[] = "target";
constexpr Attributes TARGET_IS = Attributes().unit("°C").config().range(5, 30, Decimal(5, 1));
Number<TARGET, TARGET_IS> target(&device, 20);

constexpr const char PERCENT[] = "percent";
Number<PERCENT> percent(&device);

constexpr const char MODE[] = "mode";
constexpr Attributes MODE_IS = Attributes().options("slow", "très vite", "\"\\");
class Mode : public Select<MODE, MODE_IS> {
  public:
    explicit Mode(Device* of) : Select(of, 1) {}

  private:
    void apply(size_t index) override {
        static const char* const WORDS[] = {"adagio", "presto\n", "?"};
        greeting.set(WORDS[index]);
    }
};
Mode mode(&device);

constexpr const char RESET[] = "reset";
static void reset() {
    wet.none();
    greeting.set("Größe \xFF reset");
}
Trigger<RESET, reset> trigger(&device);

constexpr const char BELL[] = "bell";
constexpr Attributes BELL_IS = Attributes().options("ring", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
Event<BELL, BELL_IS> bell(&device);

constexpr const char FAN[] = "fan";
class Fan : public Switch<FAN> {
  public:
    explicit Fan(Device* of) : Switch(of, true) {}

  private:
    void apply(bool on) override {
        bell.publish(on ? "ring" : "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
        bell.publish("none of them");
        bell.publishAt(2);
    }
};
Fan fan(&device);

constexpr const char LAMP[] = "lamp";
constexpr Attributes LAMP_IS = Attributes().brightness().color();
class Lamp : public AdjustableLight<LAMP, LAMP_IS> {
  public:
    explicit Lamp(Device* of) : AdjustableLight(of) {}

  private:
    void apply(const LightState& light) override { wet.set(light.on && light.red > light.blue); }
};
Lamp lamp(&device);

constexpr const char DIMMER[] = "dimmer";
constexpr Attributes DIMMER_IS = Attributes().brightness();
class Dimmer : public AdjustableLight<DIMMER, DIMMER_IS> {
  public:
    explicit Dimmer(Device* of) : AdjustableLight(of) {}

  private:
    void apply(const LightState&) override {}
};
Dimmer dimmer(&device);

constexpr const char BLINDS[] = "blinds";
constexpr Attributes BLINDS_ARE = Attributes().position().deviceClass("blind");
class Blinds : public Cover<BLINDS, BLINDS_ARE> {
  public:
    explicit Blinds(Device* of) : Cover(of) {}
    void open() override { set(CoverState::OPENING, 40); }
    void close() override { set(CoverState::CLOSING); }
    void stop() override { set(CoverState::STOPPED, 50); }
    void moveTo(uint8_t percent) override { set(CoverState::OPENING, percent); }
};
Blinds blinds(&device);

constexpr const char GATE[] = "gate";
class Gate : public Cover<GATE> {
  public:
    explicit Gate(Device* of) : Cover(of) {}
    void open() override { set(CoverState::OPEN, 100); }
    void close() override { set(CoverState::CLOSED, 0); }
    void stop() override {}
};
Gate gate(&device);

constexpr const char AWNING[] = "awning";
RelayCover<AWNING, 9, 10, 20000> awning(&device);

Device* getDevice() {
    return &device;
}
