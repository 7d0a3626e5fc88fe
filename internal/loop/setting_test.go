package loop

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/site"
	"esper/internal/wanted"
)

// tuned is a device type with a setting of each type.
const tuned = "tuned"

// addTuned adds it to a site.
func addTuned(dir string) error {
	for from, to := range map[string]string{"device.cpp": tuned + ".cpp", "device.toml": site.DeviceFile} {
		content, err := os.ReadFile(filepath.Join("testdata", tuned, from))
		if err != nil {
			return err
		}
		path := filepath.Join(dir, site.DevicesDir, tuned, to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// setSetting sends a command to a setting.
func (w *world) setSetting(d *emulator.Device, name, value string) {
	w.broker.Publish(realm+"/"+d.ID()+"/setting/"+name+"/set", value, false)
}

// expectSettings waits until the settings are reported and seen by device code so. Seen: what the
// device type publishes as interval, enabled, mode and greeting.
func (w *world) expectSettings(d *emulator.Device, interval, enabled, mode, greeting string) {
	w.t.Helper()
	seen := map[string]string{"slow": "0", "fast": "101", "très vite": "2"}
	sum := 0
	for _, c := range []byte(greeting) {
		sum += int(c)
	}
	var last string
	reached := w.RunUntil(func() bool {
		last = fmt.Sprintf("%s %s %s %q; seen %s %s %s %s", w.state(d, "setting/interval"), w.state(d, "setting/enabled"),
			w.state(d, "setting/mode"), w.state(d, "setting/greeting"),
			w.state(d, "interval"), w.state(d, "enabled"), w.state(d, "mode"), w.state(d, "greeting"))
		return last == fmt.Sprintf("%s %s %s %q; seen %s %s %s %d", interval, enabled, mode, greeting, interval, enabled, seen[mode], sum)
	}, 10*time.Second)
	if !reached {
		w.t.Fatalf("the settings are %s", last)
	}
}

// writes returns the flash operations of a device in the store of settings from now on.
func settingWrites(d *emulator.Device) *[]esp8266.Operation {
	var all []esp8266.Operation
	d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if op.Addr >= settingStore && op.Addr < settingStore+2*image.SectorSize {
			op.Data = nil
			all = append(all, op)
		}
		return esp8266.Cut{}
	}
	return &all
}

const settingStore = image.ValuesAddress

func erases(all []esp8266.Operation) int {
	n := 0
	for _, op := range all {
		if op.Kind == esp8266.Erase {
			n++
		}
	}
	return n
}

func TestSettingsBeginWithTheirDefaultsAndAreSet(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	w.expectSettings(d, "60", "1", "slow", "Hello")
	const want = `{"enabled":{"type":"switch","default":"1"},"greeting":{"type":"text","default":"Hello","length":16},` +
		`"interval":{"type":"number","label":"Interval","default":"60","min":10,"max":3600,"step":5,"unit":"s"},` +
		`"mode":{"type":"select","default":"slow","options":["slow","fast","très vite"]}}`
	if got := w.state(d, "setting"); got != want {
		t.Errorf("declares\n%s, not\n%s", got, want)
	}
	w.setSetting(d, "interval", "3600")
	w.setSetting(d, "enabled", "0")
	w.setSetting(d, "mode", "très vite")
	w.setSetting(d, "greeting", "Grüß, \"Du\"")
	w.expectSettings(d, "3600", "0", "très vite", "Grüß, \"Du\"")
	w.expect("four changes", 2*time.Second, func() bool { return w.state(d, "changes") == "4" })

	// What is as it was is not told to device code, and not written.
	w.RunFor(2 * time.Second)
	written := settingWrites(d)
	w.setSetting(d, "interval", "3600")
	w.RunFor(5 * time.Second)
	if w.state(d, "changes") != "4" || len(*written) != 0 {
		t.Errorf("%s changes, and %d flash operations", w.state(d, "changes"), len(*written))
	}

	d.PowerCycle()
	w.RunFor(time.Second)
	w.expectSettings(d, "3600", "0", "très vite", "Grüß, \"Du\"")
	w.expect("known to the first constructor", 5*time.Second, func() bool { return w.state(d, "first") == "3600" })
	w.setSetting(d, "interval", "")
	w.setSetting(d, "mode", "")
	w.expectSettings(d, "60", "0", "slow", "Grüß, \"Du\"")
	w.RunFor(2 * time.Second)
	d.PowerCycle()
	w.RunFor(time.Second)
	w.expectSettings(d, "60", "0", "slow", "Grüß, \"Du\"")
}

// A command that is not allowed changes nothing; it is answered with the value that stays.
func TestASettingRefusesWhatItsDeclarationDoesNotAllow(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	w.setSetting(d, "interval", "65")
	w.expectSettings(d, "65", "1", "slow", "Hello")
	w.RunFor(2 * time.Second)
	written := settingWrites(d)
	for name, values := range map[string][]string{
		"interval": {"5", "9", "11", "3601", "3605", "-10", "+15", "015", "15.0", "15 ", " 15", "0x0F", "1e2", "4294967311", "-", "a",
			"99999999999", "2147483648", strings.Repeat("1", 400)},
		"enabled":  {"2", "01", "true", "ON", "-1", "10"},
		"mode":     {"Slow", "slo", "sloww", "slow\x00", "slow\x00fast", "fast ", "très", strings.Repeat("x", 500)},
		"greeting": {strings.Repeat("x", 17), "tab\t", "\x00", "a\x7f", strings.Repeat("é", 9), strings.Repeat("x", 450)},
	} {
		for _, value := range values {
			before := len(w.broker.Messages())
			w.setSetting(d, name, value)
			w.RunFor(300 * time.Millisecond)
			answered := slices.ContainsFunc(w.broker.Messages()[before:], func(m network.Message) bool {
				return m.Topic == realm+"/"+d.ID()+"/setting/"+name
			})
			if !answered {
				t.Errorf("%s %.20q is not answered", name, value)
			}
		}
	}
	// Other topics that look alike, and a setting that is not there.
	for _, topic := range []string{"setting/set", "setting//set", "setting/other/set", "setting/interval", "setting/interval/", "settings/interval/set",
		"setting/interval/set/", "setting/Interval/set", "setting/interval\x00/set", "interval/set"} {
		w.broker.Publish(realm+"/"+d.ID()+"/"+topic, "100", false)
	}
	w.broker.Publish(realm+"/setting/interval/set", "100", false)
	w.RunFor(2 * time.Second)
	if len(*written) != 0 {
		t.Errorf("%d flash operations", len(*written))
	}
	d.PowerCycle()
	w.RunFor(2 * time.Second)
	w.expectSettings(d, "65", "1", "slow", "Hello")
	if w.state(d, "changes") != "0" {
		t.Errorf("%s changes", w.state(d, "changes"))
	}
}

// A retained command acts when it is published, as any other, and never again.
func TestARetainedCommandDoesNotSetASettingAgain(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	w.broker.Publish(realm+"/"+d.ID()+"/setting/interval/set", "100", true)
	w.expectSettings(d, "100", "1", "slow", "Hello")
	w.setSetting(d, "interval", "70")
	w.RunFor(2 * time.Second)
	d.PowerCycle()
	w.RunFor(time.Minute)
	w.expectSettings(d, "70", "1", "slow", "Hello")
}

// However many commands come, the flash is written at most once a second, and not for long.
func TestAFloodOfCommandsDoesNotWearTheFlashOut(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	written := settingWrites(d)
	flood := func(until time.Duration) (last string) {
		for i := 0; w.Now() < until; i++ {
			last = strconv.Itoa(10 + 5*(i%700))
			w.setSetting(d, "interval", last)
			w.RunFor(100 * time.Millisecond)
		}
		return last
	}
	began := w.Now()
	flood(began + 5*time.Second)
	if n := erases(*written) / 2; n < 3 || n > 6 {
		t.Errorf("%d records written in 5 s", n)
	}
	last := flood(began + 2*time.Minute)
	const burst = 20
	if n := erases(*written) / 2; n != burst {
		t.Errorf("%d records written in two minutes, not %d", n, burst)
	}
	w.expectSettings(d, last, "1", "slow", "Hello") // it is used all the same
	w.RunFor(15 * time.Minute)
	if n := erases(*written) / 2; n != burst+1 {
		t.Errorf("%d records written behind the flood, not %d", n, burst+1)
	}
	d.PowerCycle()
	w.RunFor(2 * time.Second)
	w.expectSettings(d, last, "1", "slow", "Hello")
}

// A device allows the values that the program allows, and no others.
func TestADeviceAndTheProgramAllowTheSameValues(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	declared, problems, err := fleet.ParseDeclarations([]byte(w.state(d, "setting")))
	if err != nil || len(problems) != 0 || len(declared) != 4 {
		t.Fatal(declared, problems, err)
	}
	answered := func(value, name string) {
		t.Helper()
		before := len(w.broker.Messages()) + 1 // the command's own
		w.setSetting(d, name, value)
		w.expect("an answer", time.Second, func() bool {
			all := w.broker.Messages()
			return len(all) > before && slices.ContainsFunc(all[before:], func(m network.Message) bool {
				return m.Topic == realm+"/"+d.ID()+"/setting/"+name
			})
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	parts := map[string][]string{
		"number": {"-", "0", "1", "5", "9", "60", "3600", "2147483648", " ", "+", "."},
		"switch": {"0", "1", "-", "2", "on"},
		"select": {"slow", "fast", "très", " ", "vite", "\x00", "s"},
		"text":   {"a", "é", " ", "12345678", "\x1f", "~", "\x7f", "€"},
	}
	allowed := map[bool]int{}
	for name, of := range declared {
		for range 400 {
			value := ""
			for range 1 + r.IntN(3) {
				value += parts[of.Type][r.IntN(len(parts[of.Type]))]
			}
			answered("", name)
			answered(value, name)
			want := of.Default
			err := of.Check(value)
			if err == nil {
				want = value
			}
			allowed[err == nil]++
			if got := w.state(d, "setting/"+name); got != want {
				t.Errorf("%s is %q after %q, which the program judges by: %v", name, got, value, err)
			}
		}
	}
	if allowed[true] < 100 || allowed[false] < 100 {
		t.Errorf("%d values are allowed, and %d are not: that tested little", allowed[true], allowed[false])
	}
}

// What is wanted on the server reaches a device when it is online, also one that was reset by hand
// or has lost its flash; and a device that refuses is left in peace.
func TestWantedSettingsReachTheDevice(t *testing.T) {
	w := newWorld(t)
	states := fleet.NewSettingStates(realm)
	at := func() time.Time { return time.Unix(0, int64(w.Now())) }
	commands := 0
	ofServer, err := wanted.Open(t.Context(), wanted.Config{
		Storage: noStorage{}, Fleet: w.fleet, States: states, Now: at, Log: slog.New(slog.DiscardHandler),
		Command: func(id, topic, payload string) error {
			commands++
			w.broker.Publish(realm+"/"+id+"/"+topic, payload, false)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	heard := w.broker.OnMessage
	w.broker.OnMessage = func(m network.Message) {
		heard(m)
		states.Handle(m.Topic, []byte(m.Payload), at())
	}
	run := func(d time.Duration) {
		for end := w.Now() + d; w.Now() < end; {
			w.RunFor(2 * time.Second)
			ofServer.Look()
		}
	}
	d := w.add(1, tuned, "v1", 1)
	w.settle()
	set := func(name, value string) {
		t.Helper()
		if err := ofServer.Set(t.Context(), devicesetting.Wanted{Scope: devicesetting.OfType, Of: tuned, Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	set("interval", "100")
	set("greeting", "Moin")
	run(4 * time.Second)
	w.expectSettings(d, "100", "1", "slow", "Moin")

	w.Net.SetDown(w.brokerHost, true)
	run(time.Minute)
	set("interval", "200") // it is not heard
	run(5 * time.Minute)
	w.Net.SetDown(w.brokerHost, false)
	w.expect("online", 2*time.Minute, func() bool { return w.device(d).Status == fleet.Online })
	run(6 * time.Minute)
	w.expectSettings(d, "200", "1", "slow", "Moin")

	w.setSetting(d, "interval", "300") // somebody else
	run(30 * time.Second)
	w.expectSettings(d, "200", "1", "slow", "Moin")
	if err := d.Chip.Flash.Put(image.ValuesAddress, bytes.Repeat([]byte{0xFF}, 2*image.SectorSize)); err != nil {
		t.Fatal(err)
	}
	d.PowerCycle()
	run(3 * time.Minute)
	w.expectSettings(d, "200", "1", "slow", "Moin")
	run(5 * time.Minute)
	before := commands
	run(time.Hour)
	if commands != before {
		t.Errorf("%d commands within an hour in which all is as wanted", commands-before)
	}
}

// noStorage is a storage of wanted settings that keeps nothing.
type noStorage struct{}

func (noStorage) WantedSettings(context.Context) ([]devicesetting.Wanted, error) { return nil, nil }
func (noStorage) SetWantedSetting(context.Context, devicesetting.Wanted) error   { return nil }
func (noStorage) UnsetWantedSetting(context.Context, devicesetting.Scope, string, string) error {
	return nil
}
