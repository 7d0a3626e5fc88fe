package loop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/board"
	"esper/internal/build"
	"esper/internal/fleet"
	"esper/internal/site"
)

// state is what a device has published of a feature.
func (w *world) state(d *emulator.Device, feature string) string {
	state, _ := w.broker.Retained(realm + "/" + d.ID() + "/" + feature)
	return state
}

// Features as on a Sonoff: a button at GPIO 0 that closes to ground, a relay at GPIO 12.
func TestAButtonIsReportedAndSwitchesTheRelay(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "button", "v1", 1)
	d.SetPin(0, true)
	w.settle()
	if w.state(d, "button") != "0" || w.state(d, "relay") != "0" || d.Pin(12) {
		t.Fatalf("begins with button %q, relay %q", w.state(d, "button"), w.state(d, "relay"))
	}
	if info := w.device(d).Info; info.Features["relay"] != fleet.Switch || info.Features["button"] != fleet.BinarySensor || len(info.Features) != 2 {
		t.Errorf("says to have the features %v", info.Features)
	}
	press := func(wanted string) {
		t.Helper()
		for range 3 { // it bounces
			d.SetPin(0, false)
			w.RunFor(2 * time.Millisecond)
			d.SetPin(0, true)
			w.RunFor(2 * time.Millisecond)
		}
		d.SetPin(0, false)
		w.expect("pressed, relay "+wanted, 100*time.Millisecond, func() bool {
			return w.state(d, "button") == "1" && w.state(d, "relay") == wanted && d.Pin(12) == (wanted == "1")
		})
		d.SetPin(0, true)
		w.expect("released", 100*time.Millisecond, func() bool { return w.state(d, "button") == "0" })
		if w.state(d, "relay") != wanted {
			t.Error("to release the button switched the relay")
		}
	}
	press("1")
	press("0")
}

// The source is the same for each board of those roles; the Sonoff 4CH has buttons at GPIO 9 and 10.
func TestTheButtonsOfASonoff4CHSwitchItsRelays(t *testing.T) {
	own, err := makeFirmwares(t.TempDir() + "/site")
	if err != nil {
		t.Fatal(err)
	}
	b, err := board.Find("", "sonoff-4ch")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(own.site.Types, func(t site.DeviceType) bool { return t.Name == "button" })
	own.site.Types[at].Board = &b
	source := "#include <board.h>\n#include <esper/features/Button.h>\n#include <esper/features/OnOffFeature.h>\nusing namespace esper;\nDevice device;\n"
	for n := range 4 {
		source += strings.ReplaceAll(`constexpr const char R#[] = "relay#";
constexpr const char B#[] = "button#";
OnOffFeature<R#, board::RELAY#, board::RELAY#_INVERTED> relay#(&device);
Button<B#, board::BUTTON#, board::BUTTON#_INVERTED> button#(&device, toggles(relay#));
`, "#", strconv.Itoa(n+1))
	}
	path := filepath.Join(own.site.Types[at].Dir, "button.cpp")
	if err := os.WriteFile(path, []byte(source+"Device* getDevice() { return &device; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.firmwares = own
	d := w.add(1, "button", "v1", 1)
	w.settle()
	relays := []int{12, 5, 4, 15}
	for n, pin := range []int{0, 9, 10, 14} {
		d.SetPin(pin, false)
		w.expect("the relay on", time.Second, func() bool { return w.state(d, fmt.Sprint("relay", n+1)) == "1" })
		d.SetPin(pin, true)
		for other, relay := range relays {
			if d.Pin(relay) != (other <= n) {
				t.Errorf("button %d pressed, relay %d is %v", n+1, other+1, d.Pin(relay))
			}
		}
	}
}

func TestASensorPublishesItsValueRegularly(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "sensor", "v1", 1)
	d.SDK.ADC = 100
	w.settle()
	for i := range 3 {
		d.SDK.ADC = uint16(200 + i)
		w.expect("the new value", 11*time.Second, func() bool { return w.state(d, "brightness") == strconv.Itoa(200+i) })
	}
}

// So that a stray message cannot restart a whole fleet.
func TestADeviceRestartsOnlyWhenItsIdIsNamed(t *testing.T) {
	w := newWorld(t)
	d, other := w.add(0xABCDEF, "socket", "v1", 1), w.add(2, "socket", "v1", 1)
	w.settle()
	for _, payload := range []string{"", "1", "abcde", "abcdef0", "000002x"} {
		w.broker.Publish(realm+"/reboot", payload, false)
		w.broker.Publish(realm+"/abcdef/reboot", payload, false)
	}
	w.RunFor(5 * time.Second)
	if d.Resets() != 0 || other.Resets() != 0 {
		t.Fatal("restarted by a stray message")
	}
	for i, topic := range []string{"/abcdef/reboot", "/reboot"} {
		w.broker.Publish(realm+topic, "abcdef", false)
		w.expect("a restart", 5*time.Second, func() bool { return d.Resets() == i+1 })
		w.expect("online again", 10*time.Second, func() bool {
			known := w.device(d)
			return known.Status == fleet.Online && known.Info.Boot.Reset == "restart" && known.Info.Uptime < 5
		})
	}
	if other.Resets() != 0 {
		t.Error("the other device restarted, too")
	}
}

func TestADeviceRestartsWhenTheHeartbeatIsMissing(t *testing.T) {
	own, err := makeFirmwares(t.TempDir() + "/site")
	if err != nil {
		t.Fatal(err)
	}
	own.site.Config.Heartbeat.Timeout = 30 * time.Second
	w := newWorld(t)
	w.firmwares = own
	d := w.add(1, "socket", "v1", 1)
	var reasons []esp8266.ResetReason
	d.OnReset = func(r esp8266.ResetReason) { reasons = append(reasons, r) }
	w.settle()
	for i := range 20 {
		w.RunFor(10 * time.Second)
		w.broker.Publish(realm+"/heartbeat", strings.Repeat("x", i*200), i%2 == 0) // anything, kept or not
	}
	if len(reasons) != 0 {
		t.Fatalf("resets %v in spite of the heartbeat", reasons)
	}
	// Without a broker there is no heartbeat to miss.
	w.Net.SetDown(w.brokerHost, true)
	w.RunFor(2 * time.Minute)
	w.Net.SetDown(w.brokerHost, false)
	w.expect("online again", 2*time.Minute, func() bool { return w.device(d).Status == fleet.Online })
	if len(reasons) != 0 {
		t.Fatalf("resets %v while there was no broker", reasons)
	}
	w.expect("a restart", 40*time.Second, func() bool { return len(reasons) == 1 })
	if reasons[0] != esp8266.ResetRestart {
		t.Errorf("reset for reason %d", reasons[0])
	}
}

// A name that cannot work does not compile, and the compiler says why.
func TestAFeatureThatCannotWorkDoesNotCompile(t *testing.T) {
	f := theFirmwares(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	path := filepath.Join(f.site.Dir, site.DevicesDir, "socket", "socket.cpp")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(path, source, 0o644)
	names := map[string][]string{
		"a feature's name must have 1 to 32 characters":                 {"", strings.Repeat("x", 33)},
		"a feature's name may have the characters A-Z a-z 0-9 _ - only": {"living room", "a/b", "größe", "+", "a.b", `\x01`},
		"a feature cannot be called status, info, update, reboot, setting, settings or features": {
			"status", "info", "update", "reboot", "setting", "settings", "features",
		},
		"": {"a", strings.Repeat("x", 32), "A-z_09", "info2", "Status", "set", "Setting"},
	}
	text := string(source)
	for _, some := range names {
		for _, name := range some {
			n := strconv.Itoa(len(text))
			text += "constexpr const char N" + n + `[] = "` + name + `"; OnOffFeature<N` + n + ", 12> f" + n + "(&device);\n"
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	_, err = build.Build(t.Context(), f.site, build.Options{Types: []string{"socket"}, Log: &log, Version: &site.Version{Name: "v1", Sequence: 1}})
	if err == nil {
		t.Fatal("it compiles")
	}
	said := log.String()
	failed := 0
	for reason, some := range names {
		if reason == "" {
			continue
		}
		if n := strings.Count(said, ": error: "+reason); n != len(some) {
			t.Errorf("%q is said %d times, for %q", reason, n, some)
		}
		failed += len(some)
	}
	if n := strings.Count(said, ": error: "); n != failed {
		t.Errorf("%d names are refused, not %d:\n%s", n, failed, said)
	}
}
