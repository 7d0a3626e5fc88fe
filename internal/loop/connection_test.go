package loop

import (
	_ "embed"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
	"esper/internal/fleet"
	"esper/internal/site"
)

// crowded is a device type with a name as long as is allowed, and with as many features, with
// names as long.
const crowded = "a-type-whose-name-is-this-long0"

//go:embed testdata/crowded/device.cpp
var crowdedSource []byte

// addCrowded adds it to a site.
func addCrowded(dir string) error {
	folder := filepath.Join(dir, site.DevicesDir, crowded)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, crowded+".cpp"), crowdedSource, 0o644)
}

// said is what a device has published from the nth message on: the topics after <realm>/<id>/,
// or what its status was.
func (w *world) said(d *emulator.Device, n int) (names []string) {
	for _, m := range w.broker.Messages()[n:] {
		if _, name, ok := strings.Cut(m.Topic, "/"+d.ID()+"/"); ok && m.Client != "" {
			if name == "status" {
				name = m.Payload
			}
			names = append(names, name)
		}
	}
	return names
}

// All that SPEC allows a device to say fits, at each connection, though not all at once.
func TestAllThatADeviceMaySayIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("r", 32)
	images := w.firmwares.variant(t, crowded, strings.Repeat("v", 32), 4294967295, variant{name: "largest", config: func(c *site.Config) {
		c.Realm, c.WiFi.SSID = long, strings.Repeat(`"`, 32)
		c.MQTT.User, c.MQTT.Password = strings.Repeat("u", 64), site.Secret(strings.Repeat("p", 64))
	}})
	d := w.addImage(w.firmwares.bootloader, 0xFFFFFF, images[0])
	known := fleet.New(long, slog.New(slog.DiscardHandler))
	heard := w.broker.OnMessage
	w.broker.OnMessage = func(m network.Message) {
		heard(m)
		known.Handle(m.Topic, []byte(m.Payload), time.Unix(1, int64(m.At)))
	}
	retained := func(name string) string {
		payload, _ := w.broker.Retained(long + "/" + d.ID() + "/" + name)
		return payload
	}
	for range 3 {
		begun := len(w.broker.Messages())
		w.expect("online", 2*time.Minute, func() bool { return retained("status") == fleet.Online })
		first := w.said(d, begun)
		info := retained("info")
		if room := 2560 - 15*len("_sensor") - 100; len(info) > room {
			t.Errorf("an info of %d bytes leaves less room than the longest addresses and numbers take", len(info))
		}
		devices := known.Devices()
		if len(devices) != 1 || devices[0].Info == nil || len(devices[0].Info.Features) != 32 || devices[0].Malformed != 0 {
			t.Fatalf("what it is: %s", info)
		}
		want := []string{"info", "update/status"}
		for name := range devices[0].Info.Features {
			want = append(want, name)
		}
		for _, name := range want {
			if i := slices.Index(first, name); i < 0 || i > slices.Index(first, fleet.Online) {
				t.Errorf("%s is not published before it is online: %q", name, first)
			}
		}
		if calls := retained("calls-of-getDevice-since-a-start"); calls != "1" {
			t.Errorf("getDevice was called %s times", calls)
		}
		// In a burst, the last state is the one that stays.
		w.RunFor(4 * time.Second)
		for range 3 {
			w.RunFor(3 * time.Second)
			if n, err := strconv.Atoi(retained("says-a-hundred-values-in-a-burst")); err != nil || n == 0 || n%100 != 0 {
				t.Errorf("of a burst, %d was left", n)
			}
		}
		w.Net.SetDown(w.brokerHost, true)
		w.RunFor(time.Second)
		w.broker.Publish(long+"/"+d.ID()+"/status", fleet.Offline, true)
		w.Net.SetDown(w.brokerHost, false)
	}
}

// Whoever acts on the status, as Home Assistant does, finds all else as it is.
func TestADeviceIsOnlineWhenAllElseIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "button", "v1", 1)
	d.SetPin(0, true)
	w.publish("button", "v1", 1)
	w.settle()
	for name, begin := range map[string]func(){
		"a power cut": func() { d.PowerCycle() },
		"a restart":   func() { w.broker.Publish(realm+"/reboot", d.ID(), false) },
		"the broker's restart": func() {
			w.Net.SetDown(w.brokerHost, true)
			w.RunFor(time.Second)
			w.Net.SetDown(w.brokerHost, false)
		},
	} {
		w.broker.Publish(realm+"/"+d.ID()+"/relay/set", "1", false)
		w.expect("on", time.Second, func() bool { return w.state(d, "relay") == "1" })
		begin()
		w.expect(name, time.Minute, func() bool { return w.device(d).Status == fleet.Offline })
		n := len(w.broker.Messages())
		w.expect("online", time.Minute, func() bool { return w.device(d).Status == fleet.Online })
		first := w.said(d, n)
		for _, name := range []string{"info", "update/status", "relay", "button"} {
			if i := slices.Index(first, name); i < 0 || i > slices.Index(first, fleet.Online) {
				t.Errorf("after %s, %s does not come before the status: %q", name, first, first)
			}
		}
		if want := map[bool]string{true: "1", false: "0"}[d.Pin(12)]; w.state(d, "relay") != want {
			t.Errorf("after %s it is online when the relay is said to be %s, not %s", name, w.state(d, "relay"), want)
		}
	}
}

// What the broker has kept is of another time. It is delivered with RETAIN set; what is
// published while the device listens is not, even if it is to be kept (MQTT 3.1.1, 3.3.1.3).
func TestARetainedMessageIsNoCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "button", "v1", 1)
	d.SetPin(0, true)
	w.publish("button", "v1", 1)
	w.settle()
	own := realm + "/" + d.ID()
	w.Net.SetDown(w.brokerHost, true)
	w.RunFor(time.Second)
	for topic, payload := range map[string]string{
		realm + "/reboot": d.ID(), own + "/reboot": d.ID(), realm + "/update": "now", own + "/update": "now", own + "/relay/set": "1",
	} {
		w.broker.Publish(topic, payload, true)
	}
	w.Net.SetDown(w.brokerHost, false)
	for range 3 {
		w.expect("online", time.Minute, func() bool { return w.device(d).Status == fleet.Online })
		resets, checks := d.Resets(), w.requests(".version")
		w.RunFor(30 * time.Second)
		if d.Resets() != resets {
			t.Fatal("restarted by a retained message")
		}
		if n := w.requests(".version") - checks; n > 1 { // its own, at the connection
			t.Errorf("%d checks", n)
		}
		if d.Pin(12) {
			t.Error("switched by a retained message")
		}
		w.Net.SetDown(w.brokerHost, true)
		w.RunFor(time.Second)
		w.Net.SetDown(w.brokerHost, false)
	}
	w.expect("online", time.Minute, func() bool { return w.device(d).Status == fleet.Online })
	w.broker.Publish(own+"/relay/set", "1", true)
	w.expect("switched by a message that is kept, and heard as it comes", time.Second, func() bool { return d.Pin(12) })
	resets := d.Resets()
	w.broker.Publish(own+"/reboot", d.ID(), true)
	w.expect("restarted by such a one", 5*time.Second, func() bool { return d.Resets() == resets+1 })
	w.RunFor(30 * time.Second)
	if d.Resets() != resets+1 {
		t.Error("restarted again")
	}
}

// A release that was rolled back stays refused, whatever the broker keeps.
func TestARetainedMessageDoesNotHaveARefusedReleaseTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.publishVariant("socket", "v2", 2, variant{name: "crashes", source: `
#include <esper/Timer.h>
using namespace esper;
static void crash(void*) { asm volatile("ill"); }
static Timer crashes(crash, nullptr);
static struct Start { Start() { crashes.once(1000); } } start;
`})
	w.notify()
	refused := func() bool { return w.lastUpdate(d).State == "rolled-back" }
	w.expect("v2 is refused", time.Minute, refused)
	resets := d.Resets()
	for range 3 {
		w.Net.SetDown(w.brokerHost, true)
		w.broker.Publish(realm+"/"+d.ID()+"/update", "again", true)
		w.RunFor(time.Second)
		w.Net.SetDown(w.brokerHost, false)
		w.RunFor(30 * time.Second)
	}
	if d.Resets() != resets || !refused() {
		t.Errorf("%d restarts; it reports %+v", d.Resets()-resets, w.lastUpdate(d))
	}
}
