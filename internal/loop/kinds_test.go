package loop

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/internal/site"
)

// kinds is a device type with a feature of every kind.
const kinds = "kinds"

//go:embed testdata/kinds/device.cpp
var kindsSource []byte

// addKinds adds it to a site.
func addKinds(dir string) error {
	folder := filepath.Join(dir, site.DevicesDir, kinds)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, kinds+".cpp"), kindsSource, 0o644)
}

// withKinds returns a world with a device of that type, whose buttons are released and whose door is
// closed.
func withKinds(t *testing.T) (*world, *emulator.Device) {
	t.Helper()
	w := newWorld(t)
	d := w.add(1, kinds, "v1", 1)
	for _, pin := range []int{0, 4, 5} {
		d.SetPin(pin, true)
	}
	d.SetPin(14, false)
	d.SDK.ADC = 715
	w.settle()
	return w, d
}

// command sends a command to a feature, and gives the device the time to follow it.
func (w *world) command(d *emulator.Device, topic, payload string) {
	w.tell(d, topic, payload)
	w.RunFor(100 * time.Millisecond)
}

// events are the messages of a topic that a device did not retain, from the nth message on.
func (w *world) events(d *emulator.Device, topic string, n int) (payloads []string) {
	for _, m := range w.broker.Messages()[n:] {
		if m.Topic == realm+"/"+d.ID()+"/"+topic && m.Client != "" && !m.Retain {
			payloads = append(payloads, m.Payload)
		}
	}
	return payloads
}

func TestADeviceSaysWhatItsFeaturesAre(t *testing.T) {
	w, d := withKinds(t)
	wanted := map[string]string{
		"relay": "switch", "socket": "switch", "valve": "switch", "led": "light", "wet": "binary_sensor", "door": "binary_sensor",
		"button": "event", "toggle": "binary_sensor", "hold": "binary_sensor", "opener": "button", "level": "sensor",
		"raw": "sensor", "greeting": "sensor", "target": "number", "percent": "number", "mode": "select",
		"reset": "button", "bell": "event", "fan": "switch", "lamp": "light", "dimmer": "light", "blinds": "cover", "gate": "cover", "awning": "cover",
	}
	var info struct{ Features map[string]string }
	text, _ := w.broker.Retained(realm + "/" + d.ID() + "/info")
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(info.Features) != fmt.Sprint(wanted) {
		t.Errorf("it has the features %v", info.Features)
	}
	about := map[string]string{
		"relay":    `{"name":"Relay \"1\"","device_class":"outlet"}`,
		"door":     `{"device_class":"door"}`,
		"button":   `{"options":["single","double","long"]}`,
		"level":    `{"device_class":"temperature","unit":"°C","precision":1,"state_class":"measurement"}`,
		"greeting": `{"text":true}`,
		"target":   `{"category":"config","unit":"°C","min":5,"max":30,"step":0.5}`,
		"mode":     `{"options":["slow","très vite","\"\\"]}`,
		"bell":     `{"options":["ring","\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""]}`,
		"lamp":     `{"brightness":true,"color":true}`,
		"dimmer":   `{"brightness":true}`,
		"blinds":   `{"device_class":"blind","position":true}`,
		"awning":   `{"position":true}`,
	}
	var features map[string]json.RawMessage
	text = w.state(d, "features")
	if err := json.Unmarshal([]byte(text), &features); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if len(features) != len(about) {
		t.Errorf("%d features have attributes: %s", len(features), text)
	}
	for name, wanted := range about {
		if string(features[name]) != wanted {
			t.Errorf("%s is %s, not %s", name, features[name], wanted)
		}
	}
	said := w.said(d, 0)
	if at := slices.Index(said, "features"); at < 0 || at > slices.Index(said, "ONLINE") {
		t.Errorf("it says %v", said)
	}
}

// A device whose features say nothing about themselves does not publish that.
func TestAttributesArePublishedOnlyIfThereAreSome(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "button", "v1", 1)
	w.settle()
	if text, there := w.broker.Retained(realm + "/" + d.ID() + "/features"); there {
		t.Errorf("it publishes %s", text)
	}
}

// What is no command, is too long, or is retained changes nothing and is not answered; each command is
// answered by the state that it led to.
func TestFeaturesOfEveryKindFollowTheirCommands(t *testing.T) {
	w, d := withKinds(t)
	long := strings.Repeat("1", 2000)
	for _, feature := range []struct {
		name, begins string
		none         []string
		commands     [][2]string // command, state
	}{
		{"relay", "0", []string{"", "2", "on", "11", " 1", "1\x00", "true"}, [][2]string{{"1", "1"}, {"1", "1"}, {"0", "0"}}},
		{"fan", "1", []string{"", "x"}, [][2]string{{"0", "0"}, {"1", "1"}}},
		{"led", "0", []string{"", "ON", `{"state":"ON"}`}, [][2]string{{"1", "1"}, {"0", "0"}}},
		{"target", "20.0", []string{"", "4.5", "30.5", "20.1", "20.25", "x", "1e1", "0x10", "021", "None", "-5", "99999999999"},
			[][2]string{{"5", "5.0"}, {"30.00", "30.0"}, {"21.5", "21.5"}}},
		{"percent", "0", []string{"", "-1", "101", "1.5"}, [][2]string{{"100", "100"}, {"7", "7"}}},
		{"mode", "très vite", []string{"", "slo", "slow ", "1", "fast"}, [][2]string{{"slow", "slow"}, {`"\`, `"\`}}},
		{"dimmer", `{"state":"OFF","brightness":255}`, []string{"", "2", "{", `{"brightness":256}`, `{"state":"on"}`, `[1]`},
			[][2]string{
				{"1", `{"state":"ON","brightness":255}`},
				{`{"brightness":40}`, `{"state":"ON","brightness":40}`},
				{`{"state":"OFF"}`, `{"state":"OFF","brightness":40}`},
				{`{"state":"ON"}`, `{"state":"ON","brightness":40}`},
				{`{"brightness":0}`, `{"state":"OFF","brightness":40}`},
			}},
		{"lamp", `{"state":"OFF","brightness":255,"color_mode":"rgb","color":{"r":255,"g":255,"b":255}}`,
			[]string{`{"color":{"r":1}}`, `{"color":{"r":1,"g":2,"b":999}}`, `{"state":"ON"`},
			[][2]string{
				{`{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, `{"state":"ON","brightness":128,"color_mode":"rgb","color":{"r":255,"g":128,"b":0}}`},
				{"0", `{"state":"OFF","brightness":128,"color_mode":"rgb","color":{"r":255,"g":128,"b":0}}`},
			}},
		{"blinds", `{"state":"stopped"}`, []string{"", "OPEN", "101", "-1", "1.5"},
			[][2]string{
				{"open", `{"state":"opening","position":40}`}, {"close", `{"state":"closing"}`},
				{"stop", `{"state":"stopped","position":50}`}, {"0", `{"state":"opening","position":0}`},
			}},
		{"gate", `{"state":"stopped"}`, []string{"50", "stop"}, [][2]string{{"open", `{"state":"open"}`}, {"close", `{"state":"closed"}`}}},
	} {
		if state := w.state(d, feature.name); state != feature.begins {
			t.Errorf("%s begins as %q", feature.name, state)
		}
		before := len(w.broker.Messages())
		for _, payload := range append(feature.none, long) {
			w.command(d, feature.name+"/set", payload)
		}
		for _, m := range w.broker.Messages()[before:] {
			if m.Client != "" && m.Topic == realm+"/"+d.ID()+"/"+feature.name {
				t.Errorf("%s: answers what is no command with %q", feature.name, m.Payload)
			}
		}
		for _, c := range feature.commands {
			n := len(w.said(d, 0))
			w.command(d, feature.name+"/set", c[0])
			if state := w.state(d, feature.name); state != c[1] || !slices.Contains(w.said(d, 0)[n:], feature.name) {
				t.Errorf("%s: after %q it says %q, in %v", feature.name, c[0], state, w.said(d, 0)[n:])
			}
		}
	}
	// What is retained is of a time before the connection.
	for topic, payload := range map[string]string{"relay/set": "1", "mode/set": "slow", "lamp/set": "1", "opener/set": "press"} {
		w.broker.Publish(realm+"/"+d.ID()+"/"+topic, payload, true)
	}
	n := len(w.said(d, 0))
	d.PowerCycle()
	w.expect("online again", 30*time.Second, func() bool { return slices.Contains(w.said(d, 0)[n:], "ONLINE") })
	w.RunFor(time.Second)
	if w.state(d, "relay") != "0" || w.state(d, "mode") != "très vite" || !strings.Contains(w.state(d, "lamp"), "OFF") || d.Pin(15) {
		t.Errorf("it follows a command that was retained: relay %q, mode %q, lamp %q, opener %v",
			w.state(d, "relay"), w.state(d, "mode"), w.state(d, "lamp"), d.Pin(15))
	}
}

func TestASensorHasDecimalsTextsOrNoValue(t *testing.T) {
	w, d := withKinds(t)
	if level, raw := w.state(d, "level"), w.state(d, "raw"); level != "21.5" || raw != "715" {
		t.Errorf("it measures %q and %q", level, raw)
	}
	for adc, wanted := range map[uint16]string{495: "-0.5", 500: "0.0", 0: "None", 1023: "52.3"} {
		d.SDK.ADC = adc
		w.expect(wanted, 11*time.Second, func() bool { return w.state(d, "level") == wanted && w.state(d, "raw") == strconv.Itoa(int(adc)) })
	}
	if w.state(d, "wet") != "None" {
		t.Errorf("wet is %q", w.state(d, "wet"))
	}
	w.command(d, "lamp/set", `{"state":"ON","color":{"r":2,"g":0,"b":1}}`)
	if w.state(d, "wet") != "1" {
		t.Errorf("wet is %q", w.state(d, "wet"))
	}
	w.command(d, "mode/set", "très vite")
	if w.state(d, "greeting") != "presto?" {
		t.Errorf("it greets with %q", w.state(d, "greeting"))
	}
	w.command(d, "reset/set", "presse")
	w.command(d, "reset/set", "press")
	if w.state(d, "greeting") != "Größe ? reset" || w.state(d, "wet") != "None" {
		t.Errorf("after a reset it says %q, wet %q", w.state(d, "greeting"), w.state(d, "wet"))
	}
}

func TestAnEventIsNotRetained(t *testing.T) {
	w, d := withKinds(t)
	n := len(w.broker.Messages())
	w.command(d, "fan/set", "1")
	w.command(d, "fan/set", "0")
	wanted := []string{`{"event_type":"ring"}`, `{"event_type":"` + strings.Repeat(`\"`, 16) + `"}`}
	if events := w.events(d, "bell", n); !slices.Equal(events, wanted) {
		t.Errorf("the events are %q", events)
	}
	if text, there := w.broker.Retained(realm + "/" + d.ID() + "/bell"); there {
		t.Errorf("%s is retained", text)
	}
}

func TestAPushButtonTellsPressesApart(t *testing.T) {
	w, d := withKinds(t)
	n := len(w.broker.Messages())
	hold := func(down bool, milliseconds int) {
		for range 3 { // it bounces
			d.SetPin(0, !down)
			w.RunFor(2 * time.Millisecond)
			d.SetPin(0, down)
			w.RunFor(2 * time.Millisecond)
		}
		d.SetPin(0, !down)
		w.RunFor(time.Duration(milliseconds-12) * time.Millisecond)
	}
	happens := func(what string, wanted ...string) {
		t.Helper()
		var types []string
		for _, e := range w.events(d, "button", n) {
			types = append(types, strings.TrimSuffix(strings.TrimPrefix(e, `{"event_type":"`), `"}`))
		}
		if !slices.Equal(types, wanted) {
			t.Errorf("%s: %q", what, types)
		}
		n = len(w.broker.Messages())
	}
	hold(true, 100)
	hold(false, 280)
	happens("a press is single only when no second one can follow")
	w.RunFor(100 * time.Millisecond)
	happens("pressed", "single")
	if w.state(d, "relay") != "1" || !d.Pin(12) {
		t.Error("the action of a single press is not done")
	}
	hold(true, 100)
	hold(false, 200)
	hold(true, 60)
	happens("pressed twice", "double")
	hold(true, 2000)
	hold(false, 1000)
	happens("held after the second press")
	hold(true, 700)
	hold(false, 500)
	happens("pressed for 0.7 s", "single")
	hold(true, 770)
	happens("held for less than 0.8 s")
	w.RunFor(100 * time.Millisecond)
	happens("held", "long")
	w.RunFor(5 * time.Second)
	hold(false, 1000)
	happens("released")
	for range 3 {
		hold(true, 80)
		hold(false, 150)
	}
	w.RunFor(time.Second)
	happens("pressed three times", "double", "single")
	hold(true, 8) // shorter than a poll
	hold(false, 1000)
	happens("a spike")
	if w.state(d, "relay") != "1" {
		t.Errorf("after 3 single presses the relay is %q", w.state(d, "relay"))
	}

	// A button that is pressed at the start counts from when it is pressed again.
	d.SetPin(0, false)
	w.broker.Publish(realm+"/"+d.ID()+"/reboot", d.ID(), false)
	w.expect("a restart", 5*time.Second, func() bool { return d.Resets() == 1 })
	w.RunFor(10 * time.Second)
	hold(false, 1000)
	happens("pressed at the start")
	hold(true, 100)
	hold(false, 1000)
	happens("pressed then", "single")
}

func TestContactsAndButtonsOnPins(t *testing.T) {
	w, d := withKinds(t)
	if w.state(d, "door") != "0" || w.state(d, "toggle") != "0" || w.state(d, "hold") != "0" || !d.Pin(2) {
		t.Fatalf("begins with door %q, toggle %q, hold %q, LED pin %v", w.state(d, "door"), w.state(d, "toggle"), w.state(d, "hold"), d.Pin(2))
	}
	set := func(pin int, high bool) {
		d.SetPin(pin, high)
		w.RunFor(200 * time.Millisecond)
	}
	set(14, true)
	if w.state(d, "door") != "1" {
		t.Error("the door is not open")
	}
	for _, on := range []bool{true, false, true} {
		set(4, false)
		set(4, true)
		if led := w.state(d, "led"); (led == "1") != on || w.state(d, "toggle") != led || d.Pin(2) == on {
			t.Errorf("the button toggles the LED to %q, its pin to %v", led, d.Pin(2))
		}
	}
	set(5, false)
	if w.state(d, "hold") != "1" || w.state(d, "wet") != "1" {
		t.Errorf("pressed: %q, and %q for device code", w.state(d, "hold"), w.state(d, "wet"))
	}
	set(5, true)
	if w.state(d, "hold") != "0" || w.state(d, "wet") != "0" {
		t.Errorf("released: %q, and %q for device code", w.state(d, "hold"), w.state(d, "wet"))
	}
	// Within its damper of 100 ms a change is not lost, but comes later.
	d.SetPin(5, false)
	w.RunFor(40 * time.Millisecond)
	d.SetPin(5, true)
	w.RunFor(50 * time.Millisecond)
	if w.state(d, "hold") != "1" {
		t.Errorf("damped: %q", w.state(d, "hold"))
	}
	w.RunFor(100 * time.Millisecond)
	if w.state(d, "hold") != "0" {
		t.Errorf("no longer damped: %q", w.state(d, "hold"))
	}
}

func TestAPulseEndsByItself(t *testing.T) {
	w, d := withKinds(t)
	n := len(w.broker.Messages())
	pulse := func(topic, payload string, wanted time.Duration) {
		t.Helper()
		w.broker.Publish(realm+"/"+d.ID()+"/"+topic, payload, false)
		begin := time.Duration(0)
		on := w.RunUntil(func() bool { begin = w.Now(); return d.Pin(15) }, 300*time.Millisecond)
		if on != (wanted > 0) {
			t.Fatalf("%s %q: the pin is %v", topic, payload, on)
		}
		if !on {
			return
		}
		w.expect("the pulse's end", time.Second, func() bool { return !d.Pin(15) })
		if took := w.Now() - begin; took < wanted-5*time.Millisecond || took > wanted+20*time.Millisecond {
			t.Errorf("%s %q took %v", topic, payload, took)
		}
	}
	pulse("opener/set", "press", 400*time.Millisecond)
	pulse("opener/pulse", "50", 50*time.Millisecond)
	pulse("opener/pulse", "401", 400*time.Millisecond)
	pulse("opener/pulse", "2147483647", 400*time.Millisecond)
	for _, none := range []string{"", "0", "-5", "x", "50ms", "2147483648", "1.5", "65586.5"} {
		pulse("opener/pulse", none, 0)
	}
	pulse("opener/set", "1", 0)
	if said := w.events(d, "opener/triggered", n); !slices.Equal(said, []string{"400", "50", "400", "400"}) {
		t.Errorf("it says %v", said)
	}
}

// An OnOffFeature ignores commands within its damper; code does not care for it.
func TestASocketIgnoresCommandsThatComeTooFast(t *testing.T) {
	w, d := withKinds(t)
	w.command(d, "socket/set", "1")
	w.command(d, "socket/set", "0")
	if w.state(d, "socket") != "1" || !d.Pin(13) {
		t.Errorf("it is %q", w.state(d, "socket"))
	}
	w.RunFor(time.Second)
	w.command(d, "socket/set", "0")
	if w.state(d, "socket") != "0" || d.Pin(13) {
		t.Errorf("a second later it is %q", w.state(d, "socket"))
	}
}

// A switch is after a restart, and after a power cut, what its policy says.
func TestASwitchIsAfterARestartAsItShouldBe(t *testing.T) {
	w, d := withKinds(t)
	is := func(when, relay, socket, valve string) {
		t.Helper()
		if w.state(d, "relay") != relay || w.state(d, "socket") != socket || w.state(d, "valve") != valve {
			t.Errorf("%s: OFF is %q, SAME is %q, ON is %q", when, w.state(d, "relay"), w.state(d, "socket"), w.state(d, "valve"))
		}
		if d.Pin(12) != (relay == "1") || d.Pin(13) != (socket == "1") || d.Pin(3) != (valve == "0") { // this is inverted
			t.Errorf("%s: the pins are %v %v %v", when, d.Pin(12), d.Pin(13), d.Pin(3))
		}
	}
	switchAll := func(to string) {
		for _, name := range []string{"relay", "socket", "valve"} {
			w.command(d, name+"/set", to)
		}
		w.RunFor(2 * time.Second)
	}
	again := func(cut func()) {
		t.Helper()
		n := len(w.said(d, 0))
		cut()
		w.expect("online again", 30*time.Second, func() bool { return slices.Contains(w.said(d, 0)[n:], "ONLINE") })
	}
	restart := func() { w.broker.Publish(realm+"/"+d.ID()+"/reboot", d.ID(), false) }
	is("at first", "0", "0", "1")
	switchAll("1")
	is("switched on", "1", "1", "1")
	again(d.PowerCycle)
	is("after a power cut", "0", "1", "1")
	switchAll("0")
	is("switched off", "0", "0", "0")
	again(restart)
	is("after a restart", "0", "0", "1")
	switchAll("1")
	again(restart)
	is("after another restart", "0", "1", "1")
}

// A cover with two relays knows its position by time, and never has both relays on.
func TestARelayCoverMovesByTime(t *testing.T) {
	w, d := withKinds(t)
	const open, shut = 9, 10
	rest := time.Duration(-1) // since when both relays are off
	watched := false
	d.Chip.OnPin(func(n int, high bool) {
		if n != open && n != shut {
			return
		}
		switch {
		case d.Pin(open) && d.Pin(shut):
			t.Error("both relays are on")
		case high && rest >= 0 && d.Now()-rest < 490*time.Millisecond:
			t.Errorf("a relay is on %v after the other", d.Now()-rest)
		case !high:
			rest = d.Now()
		}
		watched = true
	})
	is := func(when, state string, opens, closes bool) {
		t.Helper()
		if w.state(d, "awning") != state || d.Pin(open) != opens || d.Pin(shut) != closes {
			t.Errorf("%s: it says %s, its relays are %v and %v", when, w.state(d, "awning"), d.Pin(open), d.Pin(shut))
		}
	}
	is("at first", `{"state":"stopped"}`, false, false)
	w.command(d, "awning/set", "25")
	is("before it knows where it is", `{"state":"closing"}`, false, true)
	w.RunFor(21 * time.Second)
	is("still", `{"state":"closing"}`, false, true)
	w.RunFor(time.Second)
	is("closed on its way", `{"state":"closed","position":0}`, false, false)
	w.RunFor(time.Second)
	is("then", `{"state":"opening","position":0}`, true, false)
	w.RunFor(5 * time.Second)
	is("there", `{"state":"stopped","position":25}`, false, false)
	w.command(d, "awning/set", "open")
	w.RunFor(500 * time.Millisecond)
	is("opening", `{"state":"opening","position":25}`, true, false)
	w.RunFor(5 * time.Second)
	w.command(d, "awning/set", "close")
	if d.Pin(open) || d.Pin(shut) {
		t.Error("it turns without a pause")
	}
	w.RunFor(time.Second)
	is("turned", `{"state":"closing","position":53}`, false, true)
	w.RunFor(4*time.Second + 300*time.Millisecond)
	w.command(d, "awning/set", "stop")
	is("stopped", `{"state":"stopped","position":29}`, false, false)
	w.command(d, "awning/set", "open")
	w.RunFor(30 * time.Second)
	is("open", `{"state":"open","position":100}`, false, false)
	w.command(d, "awning/set", "open")
	w.RunFor(time.Second)
	is("open already", `{"state":"open","position":100}`, false, false)
	w.command(d, "awning/set", "close")
	w.command(d, "awning/set", "close")
	w.RunFor(30 * time.Second)
	is("closed", `{"state":"closed","position":0}`, false, false)
	if !watched {
		t.Error("the relays were not watched")
	}
}

// What does not fit into the attributes is left out by whole features, and said.
func TestAttributesThatDoNotFitAreLeftOut(t *testing.T) {
	w := newWorld(t)
	source := "#include <esper/features/BinarySensor.h>\nusing namespace esper;\nconstexpr Attributes LONG = Attributes().name(\"" +
		strings.Repeat("n", 64) + "\").icon(\"" + strings.Repeat("i", 64) + "\").diagnostic();\n"
	for i := range 20 {
		source += fmt.Sprintf("constexpr const char F%d[] = \"f%[1]d\"; BinarySensor<F%[1]d, LONG> f%[1]d(&device);\n", i)
	}
	source += "constexpr Attributes SHORT = Attributes().hidden();\nconstexpr const char LAST[] = \"l\"; BinarySensor<LAST, SHORT> last(&device);\n"
	images := w.firmwares.variant(t, "socket", "v1", 1, variant{name: "many attributes", source: source})
	var serial bytes.Buffer
	config := w.firmwares.flashed(t, 1, w.firmwares.bootloader, images[0])
	config.Serial = &serial
	d, err := w.Add(config)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	text := w.state(d, "features")
	var features map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &features); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	one := len(features["f19"]) + len(`"f19":,`)
	if len(text) > 2560 || len(text) < 2560-one || features["l"] == nil || features["f19"] == nil || features["f0"] != nil {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	lost := 20 - len(features) // the last of those that fit; features are gone through from the last on
	if line := fmt.Sprintf("features: no room for the attributes of f%d\n", lost); !strings.Contains(serial.String(), line) {
		t.Errorf("it does not say %q", line)
	}
}
