package loop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// counting has a counter of pulses, at GPIO 14; edges without debouncing, at GPIO 4; and GPIO16, which
// follows GPIO 5.
var counting = variant{name: "counting", source: `
#include <esper/features/PulseCounter.h>
#include <esper/features/Sensor.h>
using namespace esper;
constexpr const char METER[] = "meter", EDGES[] = "edges", TOLD[] = "told";
PulseCounter<METER, 14, Edge::FALLING, 5000, 2> meter(&device);
static Interrupt<4> edges(Edge::BOTH);
static int32_t count() { return static_cast<int32_t>(edges.count()); }
Sensor<EDGES, count, 1> edgesSensor(&device);
static int32_t told = 0;
static int32_t countTold() { return told; }
Sensor<TOLD, countTold, 1> toldSensor(&device);
static struct Follower {
    Follower() : timer(bind<Follower, &Follower::follow>, this) {
        Gpio<16>::output(false);
        Gpio<5>::input<Pull::NONE>();
        Gpio<13>::openDrain<Pull::UP>(true);
        timer.repeat(10);
        edges.onEdges([](void*, uint32_t n) { told += static_cast<int32_t>(n); });
    }
    void follow() {
        Gpio<16>::write(Gpio<5>::read());
        Gpio<13>::write(Gpio<5>::read());
    }
    Timer timer;
} follower;
`}

func (w *world) addCounting(id uint32) *emulator.Device {
	images := w.firmwares.variant(w.t, "socket", "v1", 1, counting)
	d := w.addImage(w.firmwares.bootloader, id, images[0])
	d.SetPin(14, true)
	d.SetPin(4, true)
	return d
}

// pulse closes a contact for some time, with bouncing at both ends.
func (w *world) pulse(d *emulator.Device, pin int, closed time.Duration) {
	for _, high := range []bool{false, true} {
		d.SetPin(pin, high)
		for range 4 {
			w.RunFor(300 * time.Microsecond)
			d.SetPin(pin, !high)
			w.RunFor(200 * time.Microsecond)
			d.SetPin(pin, high)
		}
		w.RunFor(closed)
	}
}

func TestPulsesAreCountedAndOutliveARestart(t *testing.T) { countsPulses(t, newWorld(t)) }

func countsPulses(t *testing.T, w *world) {
	w.publish("socket", "v0", 1)
	d := w.addCounting(1)
	w.settle()
	for range 20 {
		w.pulse(d, 14, 30*time.Millisecond)
	}
	w.expect("20 pulses", 15*time.Second, func() bool { return w.state(d, "meter") == "20" })

	// A restart on purpose saves them; a power cut loses what came since.
	resets := d.Resets()
	w.broker.Publish(realm+"/reboot", d.ID(), false)
	w.expect("a restart", 5*time.Second, func() bool { return d.Resets() > resets })
	w.broker.Publish(realm+"/"+d.ID()+"/meter", "", true)
	w.expect("20 pulses again", 15*time.Second, func() bool { return w.state(d, "meter") == "20" })
	for range 5 {
		w.pulse(d, 14, 30*time.Millisecond)
	}
	w.expect("25 pulses", 15*time.Second, func() bool { return w.state(d, "meter") == "25" })
	w.RunFor(130 * time.Second)
	w.pulse(d, 14, 30*time.Millisecond)
	w.expect("26 pulses", 15*time.Second, func() bool { return w.state(d, "meter") == "26" })
	d.PowerCycle()
	w.broker.Publish(realm+"/"+d.ID()+"/meter", "", true)
	w.expect("25 pulses after a power cut", 20*time.Second, func() bool { return w.state(d, "meter") == "25" })
}

// The handler of interrupts lies in IRAM: pulses are counted while an update erases and writes the flash,
// when no code in flash can run, and the total outlives the restart into the new firmware.
func TestPulsesAreCountedDuringAnUpdate(t *testing.T) { countsDuringUpdate(t, newWorld(t)) }

func countsDuringUpdate(t *testing.T, w *world) {
	w.publish("socket", "v0", 1)
	d := w.addCounting(1)
	w.settle()
	r, err := release.Sign(w.firmwares.variant(t, "socket", "v2", 2, counting), w.firmwares.key)
	must(t, err)
	w.offer(w.firmwares.downloaded(t, r))
	erased, pulses, resets := 0, 0, d.Resets()
	d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if op.Kind == esp8266.Erase {
			erased++
		}
		return esp8266.Cut{}
	}
	w.notify()
	w.expect("a download", time.Minute, func() bool { return w.lastUpdate(d).State == "downloading" })
	for w.lastUpdate(d).State == "downloading" {
		for _, high := range []bool{false, true} {
			d.SetPin(14, high)
			w.RunFor(70 * time.Millisecond) // longer than an erasure
		}
		pulses++
	}
	if pulses < 8 || erased < 8 || d.Resets() != resets {
		t.Fatalf("%d pulses while %d sectors were erased, and %d resets: that tests little", pulses, erased,
			d.Resets()-resets)
	}
	w.broker.Publish(realm+"/"+d.ID()+"/meter", "", true)
	w.expect("v2", time.Minute, func() bool { return w.starts(d, "v2") })
	w.expect("the pulses", 15*time.Second, func() bool { return w.state(d, "meter") == strconv.Itoa(pulses) })
	if reset := w.device(d).Info.Boot.Reset; reset != "restart" {
		t.Errorf("it was reset by %s", reset)
	}
}

// Without debouncing each edge counts, and is told of to device code.
func TestEdgesAreCounted(t *testing.T) {
	w := newWorld(t)
	w.publish("socket", "v0", 1)
	d := w.addCounting(1)
	w.settle()
	for i := range 100 {
		d.SetPin(4, i%2 == 1)
		w.RunFor(500 * time.Microsecond)
	}
	for _, what := range []string{"edges", "told"} {
		w.expect("100 "+what, 5*time.Second, func() bool { return w.state(d, what) == "100" })
	}
}

// GPIO16 is another kind of pin; and an open drain leaves the high level to others.
func TestGPIO16AndAnOpenDrainFollowAnInput(t *testing.T) {
	w := newWorld(t)
	w.publish("socket", "v0", 1)
	d := w.addCounting(1)
	w.settle()
	for _, high := range []bool{true, false, true} {
		d.SetPin(5, high)
		w.RunFor(50 * time.Millisecond)
		if d.Pin(16) != high || d.Pin(13) != high {
			t.Errorf("GPIO16 is %v and GPIO13 %v, not %v", d.Pin(16), d.Pin(13), high)
		}
	}
	d.SetPin(13, false) // another device at the bus
	w.RunFor(50 * time.Millisecond)
	if d.Pin(13) {
		t.Error("GPIO13 drives its high level against another device")
	}
}

// Code that cannot work on a pin, or with a timer or a persisted value, does not compile, and the
// compiler says why in a line.
func TestDeviceCodeThatCannotWorkDoesNotCompile(t *testing.T) {
	const timer = `static Timer t([](void*) {}, nullptr); t.`
	for name, c := range map[string]struct {
		mode  uint8
		wrong map[string][]string // by what is said
	}{
		"pins": {wrong: map[string][]string{
			"no such pin: the ESP8266 has GPIO 0 to 16":    {"Gpio<17>::read()", "Gpio<300>::read()"},
			"GPIO 6, 7, 8 and 11 belong to the flash chip": {"Gpio<6>::read()", "Gpio<7>::input()", "Gpio<8>::read()", "Gpio<11>::read()"},
			"GPIO16 has no pull-up resistor":               {"Gpio<16>::input<Pull::UP>()"},
			"only GPIO16 has a pull-down resistor":         {"Gpio<5>::input<Pull::DOWN>()", "Gpio<4>::openDrain<Pull::DOWN>(true)"},
			"GPIO16 has no interrupt":                      {"static Interrupt<16, Pull::NONE> i(Edge::RISING)"},
			"a persisted value has at most 64 bytes":       {`struct Big { char bytes[65]; }; static Persisted<Big> p("big")`},
			"a persisted value must be of a type that can": {`struct Deep { Deep(const Deep&); Deep(); }; static Persisted<Deep> p("deep")`},
		}},
		"pins with a flash of four lines": {mode: image.FlashQIO, wrong: map[string][]string{
			"GPIO 9 and 10 belong to the flash chip": {"Gpio<9>::read()", "Gpio<10>::read()"},
		}},
		"values": {wrong: map[string][]string{
			"a Timer takes at most 6870947 ms": {timer + "once(6870948)", timer + "repeat(86400000)"},
			"the name of a persisted value must have 1 to 32": {
				`static Persisted<bool> p("")`, `static Persisted<bool> p("Upper")`,
				`static Persisted<bool> p("a23456789012345678901234567890123")`, `static Persisted<bool> p("ä")`,
			},
		}},
		"what works": {mode: image.FlashDIO, wrong: map[string][]string{"": {
			"Gpio<5>::input<Pull::NONE>()", "Gpio<16>::input<Pull::DOWN>()", "Gpio<9>::input()",
			"static Interrupt<15, Pull::NONE> i(Edge::RISING)", timer + "repeat(6870947)",
			`static Persisted<bool> p("a234567890123456789012345678901.")`,
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			source, wrong := "", 0
			for _, some := range c.wrong {
				for i, code := range some {
					source += fmt.Sprintf("void f%d_%d() { %s; }\n", wrong, i, code)
				}
				wrong += len(some)
			}
			said, err := compiled(t, source, c.mode)
			if works := c.wrong[""] != nil; works != (err == nil) {
				t.Fatalf("%v\n%s", err, said)
			}
			for wanted, some := range c.wrong {
				if n := len(regexp.MustCompile("error: .*"+regexp.QuoteMeta(wanted)).FindAllString(said, -1)); wanted != "" && n != len(some) {
					t.Errorf("%q is said %d times, for %q\n%s", wanted, n, some, said)
				}
			}
		})
	}
}

// compiled builds a device type with some more code, and returns what the compiler said.
func compiled(t *testing.T, code string, mode uint8) (string, error) {
	f := theFirmwares(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	types := f.site.Types
	f.site.Types = slices.Clone(types)
	at := slices.IndexFunc(types, func(t site.DeviceType) bool { return t.Name == "socket" })
	f.site.Types[at].FlashMode = mode
	path := filepath.Join(types[at].Dir, "socket.cpp")
	source, err := os.ReadFile(path)
	must(t, err)
	defer func() {
		f.site.Types = types
		must(t, os.WriteFile(path, source, 0o644))
	}()
	must(t, os.WriteFile(path, fmt.Appendf(source[:len(source):len(source)], `
#include <esper/Interrupt.h>
#include <esper/Persisted.h>
using namespace esper;
%s`, code), 0o644))
	var log bytes.Buffer
	_, err = build.Build(t.Context(), f.site, build.Options{Types: []string{"socket"}, Log: &log,
		Version: &site.Version{Name: "v1", Sequence: 1}})
	return log.String(), err
}
