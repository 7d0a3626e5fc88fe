package build_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/build"
)

// classes are what docs/device-code.md lists, each as a device type uses it.
var classes = []struct{ name, headers, code string }{
	{"OnOffFeature", "features/OnOffFeature.h", "OnOffFeature<N, 12> x(&device);"},
	{"OnOffFeature, AfterRestart::SAME", "features/OnOffFeature.h", "OnOffFeature<N, 12, false, 0, NO_ATTRIBUTES, AfterRestart::SAME> x(&device);"},
	{"Attributes", "features/OnOffFeature.h", `constexpr Attributes A = Attributes().name("Lamp").icon("mdi:lamp"); OnOffFeature<N, 12, false, 0, A> x(&device);`},
	{"Socket", "features/Socket.h", "Socket<N, 12> x(&device);"},
	{"Light", "features/Light.h", "Light<N, 12> x(&device);"},
	{"AdjustableLight", "features/Light.h", "constexpr Attributes A = Attributes().brightness().color(); struct L : AdjustableLight<N, A> { L() : AdjustableLight(&::device) {} void apply(const LightState&) override {} }; L x;"},
	{"BuiltinLED", "features/BuiltinLED.h", "BuiltinLED<N> x(&device);"},
	{"BinarySensor", "features/BinarySensor.h", "BinarySensor<N> x(&device);"},
	{"Contact", "features/Contact.h", "Contact<N, 4> x(&device);"},
	{"Button", "features/Button.h", "Button<N, 4> x(&device);"},
	{"PushButton", "features/PushButton.h", "PushButton<N, 4> x(&device);"},
	{"ToggleButton", "features/ToggleButton.h", "ToggleButton<N, 4> x(&device);"},
	{"TriggerButton", "features/TriggerButton.h", "TriggerButton<N, 4> x(&device);"},
	{"Event", "features/Event.h", `constexpr Attributes A = Attributes().options("ring"); Event<N, A> x(&device);`},
	{"Sensor", "features/Sensor.h", "static int32_t f() { return 1; } Sensor<N, f> x(&device);"},
	{"Measurement", "features/Sensor.h", "Measurement<N> x(&device);"},
	{"TextSensor", "features/TextSensor.h", "TextSensor<N> x(&device);"},
	{"PulseCounter", "features/PulseCounter.h", "PulseCounter<N, 4> x(&device);"},
	{"Number", "features/Number.h", "Number<N> x(&device);"},
	{"Select", "features/Select.h", `constexpr Attributes A = Attributes().options("a", "b"); Select<N, A> x(&device);`},
	{"Trigger", "features/Trigger.h", "static void f() {} Trigger<N, f> x(&device);"},
	{"Pulse", "features/Pulse.h", "Pulse<N, 4, false, 0, 500> x(&device);"},
	{"RelayCover", "features/RelayCover.h", "RelayCover<N, 4, 5, 20000> x(&device);"},
	{"Persisted", "Persisted.h", `Persisted<uint32_t> x("n", 0);`},
	{"Interrupt", "Interrupt.h", "Interrupt<4> x(Edge::FALLING, 5000);"},
	{"Timer", "Timer.h", "Timer x([](void*) {}, nullptr);"},
	{"LongTimer", "Timer.h", "LongTimer x([](void*) {}, nullptr);"},
	{"JsonValue", "JsonValue.h", `int32_t n; struct F { F() { JsonValue::parse("{}", 2).member("a").number(n); } }; F x;`},
	{"Daily", "Time.h", "Daily x(7, 30, [](void*) {});"},
	{"Sleep", "Sleep.h", "Sleep x(&device, 600);"},
	{"Serial", "Serial.h", "Serial x(9600);"},
}

// BenchmarkCosts prints what each class takes in a device type that has nothing else: code and
// constants in flash, code in IRAM, and RAM for the object and all that comes with it, in bytes. A
// second object takes less.
func BenchmarkCosts(b *testing.B) {
	dir := newSite(b, true)
	write := func(name, headers, code string) {
		source := "#include <esper/Device.h>\n"
		if headers != "" {
			source += "#include <esper/" + headers + ">\n"
		}
		source += "using namespace esper;\n[[maybe_unused]] constexpr const char N[] = \"n\";\nDevice device;\n" +
			code + "\nDevice* getDevice() { return &device; }\n"
		writeFile(b, filepath.Join(dir, "devices", name, name+".cpp"), source)
	}
	write("nothing", "", "")
	types := []string{"nothing"}
	for i, c := range classes {
		name := fmt.Sprintf("class%d", i)
		write(name, c.headers, c.code)
		types = append(types, name)
	}
	sizes := map[string][3]int{}
	for _, t := range mustBuild(b, dir, build.Options{Types: types}).Types {
		sizes[t.Name] = symbolSizes(b, t.Images[0].ELF)
	}
	for i, c := range classes {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
			}
			for memory, unit := range []string{"flash-bytes", "iram-bytes", "ram-bytes"} {
				b.ReportMetric(float64(sizes[fmt.Sprintf("class%d", i)][memory]-sizes["nothing"][memory]), unit)
			}
			b.ReportMetric(0, "ns/op") // leaves it out
		})
	}
}

// symbolSizes adds up the sizes of a program's functions and objects in flash, IRAM and RAM. Those of
// sections would hide them: sections grow in steps.
func symbolSizes(t testing.TB, path string) (sizes [3]int) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(read(t, path)))
	must(t, err)
	symbols, err := file.Symbols()
	must(t, err)
	counted := map[uint64]bool{} // a constructor has several names
	for _, s := range symbols {
		if kind := elf.ST_TYPE(s.Info); kind != elf.STT_FUNC && kind != elf.STT_OBJECT || counted[s.Value] {
			continue
		}
		counted[s.Value] = true
		switch {
		case s.Value >= 0x40200000:
			sizes[0] += int(s.Size)
		case s.Value >= 0x40100000:
			sizes[1] += int(s.Size)
		case s.Value >= 0x3FFE8000:
			sizes[2] += int(s.Size)
		}
	}
	return sizes
}
