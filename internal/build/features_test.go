package build_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esper/internal/build"
)

// symbolsOf returns the symbols of a program whose names match.
func symbolsOf(t *testing.T, path, pattern string) (found []elf.Symbol) {
	t.Helper()
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	must(t, err)
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) != elf.STT_FILE && s.Section != elf.SHN_UNDEF && regexp.MustCompile(pattern).MatchString(s.Name) {
			found = append(found, s)
		}
	}
	return found
}

// Attributes lie in flash, the service that publishes them is part of firmware that has some, and what a
// switch remembers of firmware that has one that does.
func TestWhatAttributesCost(t *testing.T) {
	dir := newSite(t, true)
	source := func(attributes, parameters string) string {
		return "#include <esper/features/OnOffFeature.h>\nusing namespace esper;\nDevice device;\nDevice* getDevice() { return &device; }\n" +
			"constexpr const char NAME[] = \"socket\";\n" + attributes + "OnOffFeature<NAME, 12, false, 1" + parameters + "> socket(&device);\n"
	}
	about := "constexpr Attributes ABOUT = Attributes().name(\"" + strings.Repeat("n", 64) + "\").icon(\"mdi:fan\").deviceClass(\"outlet\");\n"
	for name, s := range map[string]string{
		"plain": source("", ""), "told": source(about, ", ABOUT"), "same": source("", ", NO_ATTRIBUTES, AfterRestart::SAME"),
	} {
		writeFile(t, filepath.Join(dir, "devices", name, name+".cpp"), s)
	}
	r := mustBuild(t, dir, build.Options{Types: []string{"plain", "told", "same"}})
	images := map[string]build.ImageResult{}
	for _, built := range r.Types {
		images[built.Name] = built.Images[0]
	}
	for name, wanted := range map[string][2]bool{"plain": {false, false}, "told": {true, false}, "same": {false, true}} {
		for i, pattern := range []string{"FeatureAttributes6|InFlash", "PersistedValues"} {
			if all := symbolsOf(t, images[name].ELF, pattern); len(all) > 0 != wanted[i] {
				t.Errorf("%s has %d symbols of %s", name, len(all), pattern)
			}
		}
		if all := symbolsOf(t, images[name].ELF, "^_ZN5esper13NO_ATTRIBUTESE$|^_ZL5ABOUT$"); len(all) > 0 {
			t.Errorf("%s has %s in RAM", name, all[0].Name)
		}
	}
	for _, s := range symbolsOf(t, images["told"].ELF, "InFlash.*content") {
		if s.Value < 0x40200000 || s.Value >= 0x40300000 {
			t.Errorf("%s lies at %#x, not in flash", s.Name, s.Value)
		}
	}
	code, ram := images["told"].Code-images["plain"].Code, exactRAM(t, images["told"].ELF)-exactRAM(t, images["plain"].ELF)
	t.Logf("attributes: %d bytes of flash, %d of RAM", code, ram)
	if code > 900 || ram > 256 { // RAM is a multiple of 256
		t.Errorf("attributes cost %d bytes of flash and %d of RAM", code, ram)
	}
}

// What cannot work does not compile, and the compiler says why in one line.
func TestFeaturesThatCannotWorkDoNotCompile(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	const sensor, button, selection, number, event = "Sensor<N, f, 60, A>", "Trigger<N, g, A>", "Select<N, A>", "Number<N, A>", "Event<N, A>"
	const light, cover, contact, relay = "Light<N, 12, true, A>", "Gate<N, A>", "Contact<N, 14, false, A>", "OnOffFeature<N, 12, false, 0, A>"
	cases := []struct {
		attributes, feature, message string
	}{
		{`name("")`, sensor, "name: 1 to 64 bytes of printable text, in UTF-8"},
		{`name("` + long(65) + `")`, relay, "name: 1 to 64 bytes of printable text, in UTF-8"},
		{`name("a\n")`, button, "name: 1 to 64 bytes of printable text, in UTF-8"},
		{`name("\xFF")`, light, "name: 1 to 64 bytes of printable text, in UTF-8"},
		{`icon("MDI")`, relay, "icon: 1 to 64 characters of a-z 0-9 : -, such as mdi:fan"},
		{`icon("` + long(65) + `")`, relay, "icon: 1 to 64 characters of a-z 0-9 : -, such as mdi:fan"},
		{`config()`, sensor, "config: only of what takes commands; say diagnostic()"},
		{`config()`, contact, "config: only of what takes commands; say diagnostic()"},
		{`deviceClass("a b")`, sensor, "deviceClass: 1 to 32 characters of a-z 0-9 _"},
		{`deviceClass("` + long(33) + `")`, sensor, "deviceClass: 1 to 32 characters of a-z 0-9 _"},
		{`deviceClass("x")`, light, "deviceClass: a light and a select have none"},
		{`unit("` + long(17) + `")`, sensor, "unit: 1 to 16 bytes of printable text, in UTF-8"},
		{`unit("V")`, relay, "unit: only of a sensor or a number"},
		{`precision(7)`, sensor, "precision: 0 to 6 decimals"},
		{`precision(-2)`, sensor, "precision: 0 to 6 decimals"},
		{`precision(1)`, number, "precision: only of a sensor"},
		{`total()`, number, "measurement, total, totalIncreasing: only of a sensor"},
		{`text()`, button, "text: only of a sensor"},
		{`text()`, sensor, "text: a TextSensor has texts"},
		{`unit("V")`, "TextSensor<N, A>", "unit, precision, measurement, total, totalIncreasing: not of a sensor of texts"},
		{`range(0, 1)`, sensor, "range: only of a number"},
		{`range(1, 1)`, number, "range: least must be less than most"},
		{`range(0, 10, 0)`, number, "range: least must be less than most"},
		{`range(0, 10, 11)`, number, "range: least must be less than most"},
		{`range(0, 300000000, Decimal(1, 1))`, number, "range: least must be less than most"},
		{`options("a", "b")`, relay, "options: only of a select or an event"},
		{`options("a")`, selection, "options: a select needs 2 at least, an event 1"},
		{`options()`, event, "options: a select needs 2 at least, an event 1"},
		{`options("a", "` + long(33) + `")`, selection, "options: each 1 to 32 bytes of printable text, without blanks around it"},
		{`options("a", "")`, selection, "options: each 1 to 32 bytes of printable text, without blanks around it"},
		{`options("a", " b")`, selection, "options: each 1 to 32 bytes of printable text, without blanks around it"},
		{`options("a", nullptr)`, selection, "options: each 1 to 32 bytes of printable text, without blanks around it"},
		{`options("a", "b", "a")`, event, "options: two are the same"},
		{`options(` + strings.Repeat(`"a", `, 16) + `"a")`, "", "options: there can be 16 at most"},
		{`options("a")`, "PushButton<N, 0, true, A>", "options: those of a PushButton are single, double and long"},
		{`brightness()`, relay, "brightness, color: only of a light"},
		{`color()`, light, "brightness, color: of an AdjustableLight, not of one that is on or off"},
		{`position()`, relay, "position: only of a cover"},
		{``, "Lamp<N, A>", "an AdjustableLight needs brightness() or color() in its attributes"},
		{``, "Pulse<N, 12>", "a Pulse needs its longest duration, in milliseconds"},
		{``, "Sensor<N, real>", "a Sensor's function returns an int32_t or a Decimal: no float"},
		{``, "Sensor<N, f, 0>", "a sensor measures every 1 to 6870 seconds, the range of the SDK's timers"},
		{``, "TextSensor<N, NO_ATTRIBUTES, 65>", "a TextSensor has texts of 1 to 64 bytes"},
		{``, "OnOffFeature<N, 8>", "GPIO 6, 7, 8 and 11 belong to the flash chip"},
		{``, "PushButton<N, 17>", "no such pin: the ESP8266 has GPIO 0 to 16"},
		// What is as long as it may be compiles.
		{`name("` + long(64) + `").icon("` + long(64) + `").deviceClass("` + long(32) + `").unit("` + long(16) + `").precision(6).total().hidden().diagnostic()`, sensor, ""},
		{`options(` + long16 + `)`, selection, ""},
		{`options("a").diagnostic()`, event, ""},
		{`range(-2147483647, 0, 2147483647).config()`, number, ""},
		{`position().config()`, cover, ""},
		{`name("\"\\ü€💡")`, relay, ""},
	}
	source := `#include <esper/features/Contact.h>
#include <esper/features/Cover.h>
#include <esper/features/Light.h>
#include <esper/features/Number.h>
#include <esper/features/Pulse.h>
#include <esper/features/PushButton.h>
#include <esper/features/Select.h>
#include <esper/features/Sensor.h>
#include <esper/features/TextSensor.h>
#include <esper/features/Trigger.h>
using namespace esper;
Device device;
Device* getDevice() { return &device; }
static int32_t f() { return 0; }
static float real() { return 0; }
static void g() {}
template <const char* const name, const Attributes& about> struct Lamp : AdjustableLight<name, about> {
    explicit Lamp(Device* d) : AdjustableLight<name, about>(d) {}
    void apply(const LightState&) override {}
};
template <const char* const name, const Attributes& about> struct Gate : Cover<name, about> {
    explicit Gate(Device* d) : Cover<name, about>(d) {}
    void open() override {}
    void close() override {}
    void stop() override {}
};
`
	wanted := map[string]int{}
	for i, c := range cases {
		n := fmt.Sprint(i)
		source += "namespace n" + n + " {\nconstexpr const char N[] = \"n" + n + "\";\nconstexpr Attributes A = Attributes()"
		if c.attributes != "" {
			source += "." + c.attributes
		}
		source += ";\n"
		if c.feature != "" {
			source += c.feature + " feature(&device);\n"
		}
		source += "}\n"
		if c.message != "" {
			wanted[c.message]++
		}
	}
	dir := newSite(t, false)
	writeFile(t, filepath.Join(dir, "devices/wrong/wrong.cpp"), source)
	_, err := buildSite(t, dir, build.Options{Types: []string{"wrong"}})
	var failed *build.CompileError
	if !errors.As(err, &failed) {
		t.Fatalf("it compiles: %v", err)
	}
	all := 0
	for message, n := range wanted {
		all += n
		if said := strings.Count(failed.Output, "error: static assertion failed: "+message); said != n {
			t.Errorf("%q is said %d times, not %d", message, said, n)
		}
	}
	if n := strings.Count(failed.Output, "error:"); n != all {
		var lines []string
		for _, line := range strings.Split(failed.Output, "\n") {
			if strings.Contains(line, "error:") {
				lines = append(lines, line)
			}
		}
		t.Errorf("%d errors, not %d:\n%s", n, all, strings.Join(lines, "\n"))
	}
}

// long16 are as many options as there may be, as long as they may be.
var long16 = func() string {
	var all []string
	for i := range 16 {
		all = append(all, fmt.Sprintf("%q", fmt.Sprintf("%032d", i)))
	}
	return strings.Join(all, ", ")
}()
