// An LED at D2 that is dimmed: 100 times a second it shines for as many tenths as it is bright.

#include <board.h>
#include <esper/Gpio.h>
#include <esper/features/Light.h>

using namespace esper;

constexpr const char LAMP[] = "lamp";
constexpr Attributes ABOUT_LAMP = Attributes().name("Lamp").icon("mdi:led-on").brightness();

class Lamp : public AdjustableLight<LAMP, ABOUT_LAMP> {
  public:
    explicit Lamp(Device* device) : AdjustableLight(device), timer(bind<Lamp, &Lamp::tick>, this) {
        Pin::output(board::D2_INVERTED);
    }

  private:
    using Pin = Gpio<board::D2>;

    static constexpr uint32_t STEPS = 10;

    void apply(const LightState& light) override {
        tenths = light.on ? (light.brightness * STEPS + 254) / 255 : 0;
        if (tenths > 0 && tenths < STEPS) {
            timer.repeat(1);
        } else {
            timer.stop();  // a lamp that is off or fully on costs no time
            Pin::write((tenths > 0) != board::D2_INVERTED);
        }
    }

    void tick() {
        step = (step + 1) % STEPS;
        Pin::write((step < tenths) != board::D2_INVERTED);
    }

    uint32_t tenths = 0;
    uint32_t step = 0;
    Timer timer;
};

Device device;
Lamp lamp(&device);

Device* getDevice() {
    return &device;
}
