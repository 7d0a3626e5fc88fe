package loop

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/emulator"
	"esper/firmware"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// examples are the device types that ship.
func examples(t testing.TB) []string {
	t.Helper()
	folders, err := fs.ReadDir(firmware.Files, site.DevicesDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.Name())
	}
	return names
}

// documented is a program of docs/device-code.md.
type documented struct {
	deviceType string
	source     string
	shows      map[string]string // features and the states that they begin with
}

// programs reads the programs of docs/device-code.md. A comment before each says what it shows.
func programs(t testing.TB) []documented {
	t.Helper()
	text, err := os.ReadFile("../../docs/device-code.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	blocks := regexp.MustCompile("(?s)<!-- shows: ([^\n]*) -->\n```cpp\n(.*?)```\n").FindAllSubmatch(text, -1)
	for i, block := range blocks {
		p := documented{deviceType: fmt.Sprint("program", i+1), source: string(block[2]), shows: map[string]string{}}
		for _, pair := range strings.Fields(string(block[1])) {
			name, state, _ := strings.Cut(pair, "=")
			p.shows[name] = state
		}
		all = append(all, p)
	}
	if found := bytes.Count(text, []byte("```cpp")); found != len(all) || found == 0 {
		t.Fatalf("docs/device-code.md has %d programs, of which %d say what they show", found, len(all))
	}
	return all
}

var deviceCode struct {
	once sync.Once
	made *firmwares
}

// deviceCodeFirmwares returns firmwares of the shipped device types and of the documents' programs,
// built at once.
func deviceCodeFirmwares(t testing.TB) *firmwares {
	t.Helper()
	deviceCode.once.Do(func() {
		var err error
		if deviceCode.made, err = makeDeviceCode(filepath.Join(t.TempDir(), "site"), examples(t), programs(t)); err != nil {
			t.Fatal(err)
		}
	})
	if deviceCode.made == nil {
		t.Fatal("the firmware is not there: see above")
	}
	return deviceCode.made
}

func makeDeviceCode(dir string, types []string, programs []documented) (*firmwares, error) {
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		return nil, err
	}
	err = site.Create(dir, site.Template{
		Realm: realm, SSID: "net", MQTT: "mqtt://broker:1883", UpdateURL: "http://web/firmware",
		Devices: devices, Types: types,
	})
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		folder := filepath.Join(dir, site.DevicesDir, p.deviceType)
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(folder, p.deviceType+".cpp"), []byte(p.source), 0o644); err != nil {
			return nil, err
		}
	}
	f := &firmwares{built: map[string][image.Slots][]byte{}}
	if f.site, err = site.Open(dir); err != nil {
		return nil, err
	}
	f.site.Config.Secrets = site.InImage
	var log bytes.Buffer
	result, err := build.Build(context.Background(), f.site, build.Options{Version: &site.Version{Name: "v1", Sequence: 1}, Log: &log})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, log.String())
	}
	if f.bootloader, err = os.ReadFile(result.Bootloader); err != nil {
		return nil, err
	}
	for _, t := range result.Types {
		images, err := release.ReadImages(filepath.Join(dir, site.BuildDir), t.Name)
		if err != nil {
			return nil, err
		}
		f.built[fmt.Sprint(t.Name, " v1 1 ")] = images
	}
	return f, nil
}

// exampleWorld is a world with one device of a shipped type or a documented program, which is online.
func exampleWorld(t *testing.T, deviceType string) (*world, *emulator.Device) {
	t.Helper()
	w := newWorldOf(t, deviceCodeFirmwares(t))
	d := w.addImage(w.firmwares.bootloader, 1, w.firmwares.built[deviceType+" v1 1 "][0])
	d.SDK.ADC = 0
	return w, d
}

// expectState waits until a feature has a state.
func (w *world) expectState(d *emulator.Device, feature, state string, max time.Duration) {
	w.t.Helper()
	if !w.RunUntil(func() bool { return w.state(d, feature) == state }, max) {
		w.t.Fatalf("%s is %q, not %q within %v", feature, w.state(d, feature), state, max)
	}
}

// tell sends a command to a feature.
func (w *world) tell(d *emulator.Device, feature, payload string) {
	w.broker.Publish(realm+"/"+d.ID()+"/"+feature, payload, false)
}

// What the page says of a program is true, as far as it can be asked for over MQTT.
var documentedCommands = map[string]struct{ topic, payload, answer, want string }{
	"relay":  {"relay/set", "1", "relay", "1"},
	"lamp":   {"lamp/set", "1", "lamp", "1"},
	"speed":  {"speed/set", "55", "speed", "55"},
	"fan":    {"fan/set", "1", "fan", "1"},
	"heater": {"heater/set", "1", "heater", "1"},
	"scene":  {"show", `{"scene":"movie"}`, "show/last", `{"scene":"movie","shown":1}`},
}

func TestTheDocumentsProgramsRun(t *testing.T) {
	for _, p := range programs(t) {
		t.Run(p.deviceType, func(t *testing.T) {
			w, d := exampleWorld(t, p.deviceType)
			for feature, state := range p.shows {
				w.expectState(d, feature, state, 30*time.Second)
			}
			w.expect("online", 30*time.Second, func() bool { return w.device(d).Info != nil })
			for feature := range p.shows {
				if w.device(d).Info.Features[feature] == "" {
					t.Errorf("the info does not name %s: %v", feature, w.device(d).Info.Features)
				}
				if c := documentedCommands[feature]; c.topic != "" {
					w.tell(d, c.topic, c.payload)
					w.expectState(d, c.answer, c.want, 2*time.Second)
				}
			}
		})
	}
}

// Each device type that ships does what its first lines say.
func TestTheShippedDeviceTypesWork(t *testing.T) {
	const d1, d2 = 5, 4 // of the NodeMCU
	tests := map[string]func(t *testing.T, w *world, d *emulator.Device){
		"socket": func(t *testing.T, w *world, d *emulator.Device) {
			w.expectState(d, "socket", "0", 20*time.Second)
			w.tell(d, "socket/set", "1")
			w.expectState(d, "socket", "1", time.Second)
			if !d.Pin(12) {
				t.Error("the relay is off")
			}
		},
		"button": func(t *testing.T, w *world, d *emulator.Device) {
			w.expectState(d, "relay", "0", 20*time.Second)
			d.SetPin(0, false)
			w.expectState(d, "relay", "1", time.Second)
		},
		"sensor": func(t *testing.T, w *world, d *emulator.Device) {
			d.SDK.ADC = 321
			w.expectState(d, "brightness", "321", 20*time.Second)
		},
		"contact": func(t *testing.T, w *world, d *emulator.Device) {
			d.SetPin(d2, false)
			w.expectState(d, "door", "0", 20*time.Second)
			d.SetPin(d2, true)
			w.expectState(d, "door", "1", time.Second)
		},
		"dimmer": func(t *testing.T, w *world, d *emulator.Device) {
			w.expect("the lamp", 20*time.Second, func() bool { return strings.Contains(w.state(d, "lamp"), `"OFF"`) })
			for brightness, tenths := range map[int]int{255: 10, 128: 6, 26: 2, 1: 1} {
				w.tell(d, "lamp/set", fmt.Sprintf(`{"state":"ON","brightness":%d}`, brightness))
				w.expect("the brightness", time.Second, func() bool {
					return strings.Contains(w.state(d, "lamp"), fmt.Sprintf(`"state":"ON","brightness":%d`, brightness))
				})
				on := 0
				for range 100 {
					w.RunFor(time.Millisecond)
					if d.Pin(d2) {
						on++
					}
				}
				if on < 10*tenths-2 || on > 10*tenths+2 {
					t.Errorf("with brightness %d it shines for %d of 100 ms", brightness, on)
				}
			}
			w.tell(d, "lamp/set", "0")
			w.RunFor(50 * time.Millisecond)
			if d.Pin(d2) {
				t.Error("it shines when it is off")
			}
		},
		"temperature": func(t *testing.T, w *world, d *emulator.Device) {
			d.SDK.ADC = 512 // half of the voltage
			w.expectState(d, "temperature", "25.0", 20*time.Second)
			d.SDK.ADC = 1023 // a broken wire
			w.expectState(d, "temperature", "None", 70*time.Second)
			d.SDK.ADC = 934
			w.expectState(d, "temperature", "-20.0", 70*time.Second)
			w.setSetting(d, "offset", "-5")
			w.expectState(d, "temperature", "-20.5", 70*time.Second)
		},
		"meter": func(t *testing.T, w *world, d *emulator.Device) {
			d.SetPin(d2, true)
			w.expectState(d, "energy", "0", 20*time.Second)
			for range 7 {
				d.SetPin(d2, false)
				w.RunFor(40 * time.Millisecond)
				d.SetPin(d2, true)
				w.RunFor(200 * time.Millisecond)
			}
			w.expectState(d, "energy", "7", 2*time.Minute)
			w.tell(d, "reboot", d.ID())
			w.expect("a restart", 10*time.Second, func() bool { return d.Resets() > 0 })
			w.RunFor(20 * time.Second)
			w.expectState(d, "energy", "7", time.Minute)
		},
		"cover": func(t *testing.T, w *world, d *emulator.Device) {
			w.expect("online", 20*time.Second, func() bool { return w.device(d).Info != nil })
			shows := func(text string) func() bool {
				return func() bool { return strings.Contains(w.state(d, "shutter"), text) }
			}
			w.tell(d, "shutter/set", "open")
			w.expect("opening", 2*time.Second, shows(`"opening"`))
			w.expect("the relay for up alone", time.Second, func() bool { return d.Pin(d1) && !d.Pin(d2) })
			w.expect("open", 30*time.Second, shows(`"open"`))
			if d.Pin(d1) || d.Pin(d2) {
				t.Error("a relay is on though it is open")
			}
			w.tell(d, "shutter/set", "50")
			w.expect("closing", 2*time.Second, shows(`"closing"`))
			w.expect("half open", 20*time.Second, func() bool { return !d.Pin(d2) && !shows(`"closing"`)() })
			position := regexp.MustCompile(`"position":(\d+)`).FindStringSubmatch(w.state(d, "shutter"))
			if n, err := strconv.Atoi(position[1]); err != nil || n < 48 || n > 52 {
				t.Errorf("half open is %s", w.state(d, "shutter"))
			}
		},
		"doorbell": func(t *testing.T, w *world, d *emulator.Device) {
			w.expect("online", 20*time.Second, func() bool { return w.device(d).Info != nil })
			before := len(w.broker.Messages())
			d.SetPin(d2, false)
			w.RunFor(150 * time.Millisecond)
			d.SetPin(d2, true)
			w.expect("the gong", time.Second, func() bool { return d.Pin(d1) })
			events := func() []string { return w.events(d, "button", before) }
			w.expect("an event", 2*time.Second, func() bool { return len(events()) == 1 })
			if event := events()[0]; event != `{"event_type":"single"}` {
				t.Errorf("the event is %s", event)
			}
			w.expect("silence", time.Second, func() bool { return !d.Pin(d1) })
			w.tell(d, "gong/set", "press")
			w.expect("the gong again", time.Second, func() bool { return d.Pin(d1) })
		},
		"thermostat": func(t *testing.T, w *world, d *emulator.Device) {
			w.expectState(d, "target", "20.0", 20*time.Second)
			w.expectState(d, "current", "None", time.Second)
			w.tell(d, "room", "18.7")
			w.expectState(d, "heating", "1", time.Second)
			w.tell(d, "room", "20.1")
			w.expectState(d, "heating", "0", time.Second)
			w.tell(d, "target/set", "22.5")
			w.expectState(d, "heating", "1", time.Second)
			w.tell(d, "target/set", "22.3") // no half degree
			w.RunFor(time.Second)
			w.expectState(d, "target", "22.5", time.Second)
			w.tell(d, "mode/set", "off")
			w.expectState(d, "heating", "0", time.Second)
			d.PowerCycle()
			w.RunFor(20 * time.Second)
			w.expectState(d, "target", "22.5", 10*time.Second)
			w.tell(d, "room", "10")
			w.expectState(d, "heating", "1", time.Second)
			w.expectState(d, "heating", "0", 31*time.Minute) // nobody says how warm it is
		},
		"sleeper": func(t *testing.T, w *world, d *emulator.Device) {
			d.SDK.ADC = 100
			w.expectState(d, "brightness", "100", 20*time.Second)
			w.expect("asleep", time.Minute, func() bool { return w.device(d).Status == "SLEEPING" })
			d.SDK.ADC = 200
			w.expectState(d, "brightness", "200", 11*time.Minute)
			if d.Resets() == 0 {
				t.Error("it never slept")
			}
		},
		"projector": testProjector,
	}
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			test, ok := tests[name]
			if !ok {
				t.Fatal("there is no test of it")
			}
			w, d := exampleWorld(t, name)
			d.SetPin(0, true)
			test(t, w, d)
		})
	}
}

// beamer is a projector at a device's serial line.
type beamer struct {
	device   *emulator.Device
	line     []byte
	commands []string
	answers  []byte // that it has yet to give
	on       bool
}

// Write takes in what the device sends.
func (b *beamer) Write(sent []byte) (int, error) {
	for _, c := range sent {
		if c != '\r' {
			b.line = append(b.line, c)
			continue
		}
		command := string(b.line)
		b.line = nil
		b.commands = append(b.commands, command)
		switch command {
		case "PWR ON":
			b.on = true
		case "PWR OFF":
			b.on = false
		case "PWR?":
			b.answers = append(b.answers, fmt.Sprintf("PWR=0%d\r:", map[bool]int{true: 1}[b.on])...)
		case "LAMP?":
			b.answers = append(b.answers, "LAMP=1234\r:"...)
		default:
			b.answers = append(b.answers, "ERR\r:"...)
		}
	}
	return len(sent), nil
}

// answer gives its answers, some bytes at a time.
func (b *beamer) answer() {
	n := min(len(b.answers), 5, b.device.Chip.ReceiveRoom())
	b.device.Chip.Receive(b.answers[:n])
	b.answers = b.answers[n:]
}

func testProjector(t *testing.T, w *world, d *emulator.Device) {
	w.expect("online", 20*time.Second, func() bool { return w.device(d).Info != nil })
	b := &beamer{device: d}
	d.Chip.Serial = b
	expect := func(feature, state string) {
		t.Helper()
		w.expect(feature+" is "+state, 15*time.Second, func() bool {
			b.answer()
			return w.state(d, feature) == state
		})
	}
	expect("lamp", "1234")
	w.tell(d, "power/set", "1")
	w.expect("a command", time.Second, func() bool { return b.on })
	expect("power", "1")
	b.on = false // by its own remote control
	expect("power", "0")
	w.tell(d, "source/set", "VGA")
	expect("source", "VGA")
	for _, command := range b.commands {
		switch command {
		case "PWR ON", "PWR?", "LAMP?", "SOURCE 11":
		default:
			t.Errorf("something else on its line: %q", command)
		}
	}
	if !slices.Contains(b.commands, "SOURCE 11") {
		t.Errorf("the source was not chosen: %q", b.commands)
	}
}
