// A projector at the serial line, 9600 baud: commands such as "PWR ON", answers such as "PWR=01".
// Its table of commands is at the beginning; another make has another table.

#include <esper/Serial.h>
#include <esper/Timer.h>
#include <esper/features/Select.h>
#include <esper/features/Sensor.h>
#include <esper/features/Switch.h>
#include <string.h>

using namespace esper;

static const char* const SOURCES[] = {"SOURCE 30\r", "SOURCE A0\r", "SOURCE 11\r"};
static const char* const QUERIES[] = {"PWR?\r", "LAMP?\r"};
constexpr uint32_t ASK = 5000;  // ms, from one query to the next

constexpr const char POWER[] = "power";
constexpr const char SOURCE[] = "source";
constexpr const char LAMP[] = "lamp";
constexpr Attributes ABOUT_POWER = Attributes().name("Power").icon("mdi:projector");
constexpr Attributes ABOUT_SOURCE = Attributes().name("Source").options("HDMI 1", "HDMI 2", "VGA");
constexpr Attributes ABOUT_LAMP =
    Attributes().name("Lamp").deviceClass("duration").unit("h").totalIncreasing().diagnostic();

static void onLine(void* object, const char* line, size_t length);

Device device;
Serial serial(9600, onLine);

// What the projector said is what is shown: it takes a minute to warm up, and may have been
// switched by its own remote control.
class Power : public Switch<POWER, ABOUT_POWER> {
  public:
    explicit Power(Device* device) : Switch(device) {}

    void said(bool on) {
        if (on != isOn()) {
            silent = true;
            set(on);
            silent = false;
        }
    }

  private:
    void apply(bool on) override {
        if (!silent) {
            serial.send(on ? "PWR ON\r" : "PWR OFF\r");
        }
    }

    bool silent = false;  // it is only noted
};

class Source : public Select<SOURCE, ABOUT_SOURCE> {
  public:
    explicit Source(Device* device) : Select(device) {}

  private:
    void apply(size_t index) override { serial.send(SOURCES[index]); }
};

Power power(&device);
Source source(&device);
Measurement<LAMP, ABOUT_LAMP> lamp(&device);

static void onLine(void*, const char* line, size_t) {
    line += line[0] == ':' ? 1 : 0;  // its prompt
    int32_t hours = 0;
    if (strncmp(line, "PWR=", 4) == 0) {
        power.said(strcmp(line + 4, "01") == 0);
    } else if (strncmp(line, "LAMP=", 5) == 0 &&
               Decimal::parse(line + 5, strlen(line + 5), 0, hours)) {
        lamp.set(hours);
    }
}

// Asks for one thing after the other.
class Poll {
  public:
    Poll() : timer(bind<Poll, &Poll::ask>, this) { timer.repeat(ASK); }

  private:
    void ask() {
        serial.send(QUERIES[next]);
        next = (next + 1) % (sizeof(QUERIES) / sizeof(QUERIES[0]));
    }

    size_t next = 0;
    Timer timer;
};

Poll poll;

Device* getDevice() {
    return &device;
}
