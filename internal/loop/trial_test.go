package loop

import (
	"crypto/ed25519"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

// flash is what lies in a device's flash.
func (w *world) flash(d *emulator.Device) *image.Flash {
	w.t.Helper()
	f, err := image.ParseFlash(d.Chip.Flash.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// defaults is the slot in a device's boot configuration, or -1.
func (w *world) defaults(d *emulator.Device) int {
	f := w.flash(d)
	if f.ConfigurationError != nil {
		return -1
	}
	return f.Configuration.Current
}

// record is a device's RTC record; the zero value if there is none.
func (w *world) record(d *emulator.Device) image.RTCRecord {
	w.t.Helper()
	b, err := d.Chip.Read(image.RTCRecordAddress, image.RTCRecordSize)
	if err != nil {
		w.t.Fatal(err)
	}
	r, _ := image.ParseRTCRecord(b)
	return r
}

// publishVariant is publish for firmware that differs.
func (w *world) publishVariant(deviceType, version string, sequence uint32, v variant) {
	w.t.Helper()
	r, err := release.Sign(w.firmwares.variant(w.t, deviceType, version, sequence, v), w.firmwares.key)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.repository.Publish(r, repository.Allow{}); err != nil {
		w.t.Fatal(err)
	}
}

// notifyOne tells one device to check.
func (w *world) notifyOne(d *emulator.Device) {
	w.broker.Publish(realm+"/"+d.ID()+"/update", "", false)
}

// toTrial lets v2 come to a new socket that runs v1, until it reports its trial.
func toTrial(t testing.TB) (*world, *emulator.Device) {
	t.Helper()
	return toTrialOf(t, func(r *release.Release) *release.Release { return r })
}

// toTrialOf is toTrial with releases that are changed before they are published.
func toTrialOf(t testing.TB, change func(*release.Release) *release.Release) (*world, *emulator.Device) {
	t.Helper()
	w := newWorld(t)
	v1, v2 := change(w.firmwares.release(t, "socket", "v1", 1)), change(w.firmwares.release(t, "socket", "v2", 2))
	d := w.addImage(w.firmwares.bootloader, 1, v1.Images[0])
	w.offer(v1)
	w.settle()
	w.offer(v2)
	w.notify()
	w.expect("the trial of v2", time.Minute, func() bool { return w.starts(d, "v2") && w.lastUpdate(d).State == "trial" })
	return w, d
}

func TestAReleaseBecomesTheDefaultWhenItHasStayedConnected(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	if info := w.device(d).Info; !info.Boot.Trial || info.Boot.ROM != 1 || info.Boot.Default != 0 {
		t.Errorf("on trial it reports %+v", info.Boot)
	}
	w.RunFor(confirmAfter - time.Second)
	if w.defaults(d) != 0 || w.lastUpdate(d).State != "trial" {
		t.Fatalf("confirmed too early: slot %d, %+v", w.defaults(d), w.lastUpdate(d))
	}
	w.expect("its confirmation", 2*time.Second, func() bool { return w.lastUpdate(d).State == "confirmed" })
	if w.defaults(d) != 1 {
		t.Errorf("the boot configuration names slot %d", w.defaults(d))
	}
	if want := (image.RTCRecord{LastROM: 1}); w.record(d) != want {
		t.Errorf("RTC record %+v, not %+v", w.record(d), want)
	}
	w.expect("its info", time.Second, func() bool { return w.runs(d, "v2") && w.device(d).Info.Boot.Default == 1 })
	d.PowerCycle()
	w.RunFor(10 * time.Second)
	if !w.runs(d, "v2") {
		t.Error("after a power cut it does not run any more")
	}
}

func TestATrialCountsOnlyTheTimeWithoutABreak(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	for range 3 {
		w.RunFor(confirmAfter - 4*time.Second)
		w.Net.SetDown(w.brokerHost, true)
		w.RunFor(time.Second)
		w.Net.SetDown(w.brokerHost, false)
		w.expect("the broker again", 30*time.Second, func() bool { return w.starts(d, "v2") })
		if w.defaults(d) != 0 {
			t.Fatal("confirmed with a break")
		}
	}
	w.expect("its confirmation", confirmAfter+time.Second, func() bool { return w.defaults(d) == 1 })
}

func TestOnTrialAVersionFileIsReadButNotActedUpon(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	w.publish("socket", "v3", 3)
	images := w.requests("socket.rom")
	before := len(w.web.Requests())
	w.notify()
	w.notifyOne(d)
	w.RunFor(confirmAfter - 2*time.Second)
	if n := len(w.web.Requests()); n != before {
		t.Errorf("%d requests before it is healthy", n-before)
	}
	if n := w.requests("socket.rom"); n != images {
		t.Errorf("%d requests for an image", n-images)
	}
	if u := w.lastUpdate(d); u.State != "trial" || u.Version != "v2" {
		t.Errorf("reports %+v", u)
	}
	w.expect("v3 after it", time.Minute, func() bool { return w.runs(d, "v3") })
}

// A trial waits for an update server that is away for a while, and says so.
func TestATrialIsNotConfirmedBeforeItHasReachedTheUpdateServer(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	w.Net.SetDown(w.webHost, true)
	d.PowerCycle() // it may have read the version file already
	w.expect("v1 again", 10*time.Second, func() bool { return w.starts(d, "v1") })
	w.Net.SetDown(w.webHost, false)
	w.notify()
	w.expect("the restart into v2", time.Minute, func() bool { return w.lastUpdate(d).State == "verifying" })
	w.Net.SetDown(w.webHost, true)
	w.expect("why it waits", time.Minute, func() bool {
		u := w.lastUpdate(d)
		return u.State == "trial" && u.Error == "unreachable"
	})
	w.RunFor(2 * confirmAfter)
	if w.defaults(d) != 0 {
		t.Fatal("confirmed without")
	}
	w.Net.SetDown(w.webHost, false)
	w.expect("its confirmation", 15*time.Second, func() bool { return w.defaults(d) == 1 })
}

// What firmware can do wrong. A timer begins it when that is given.
func onTimer(code string) string {
	return `
#include <esper/Timer.h>
using namespace esper;
static void misbehave(void*) { ` + code + ` }
static Timer misbehaviour(misbehave, nullptr);
static struct Start { Start() { misbehaviour.repeat(3000); } } start;
`
}

var failures = map[string]struct {
	variant
	reason string
}{
	"crashes at once": {variant{source: "\nstatic struct Crash { Crash() { asm volatile(\"ill\"); } } crash;\n"}, "crashed"},
	"crashes later":   {variant{source: onTimer(`asm volatile("ill");`)}, "crashed"},
	"reads where nothing is": {variant{source: onTimer(
		`asm volatile("movi a2, 0\n l32i a2, a2, 0" ::: "a2");`)}, "crashed"},
	"hangs":                    {variant{source: onTimer(`for (;;) asm volatile("");`)}, "hung"},
	"hangs without interrupts": {variant{source: onTimer(`asm volatile("rsil a2, 15" ::: "a2"); for (;;) asm volatile("");`)}, "hung"},
	"restarts": {variant{source: "#include <user_interface.h>\n" + onTimer(`system_restart();`)},
		"not-confirmed"},
	"does not reach the network": {variant{source: "#include <user_interface.h>\n" + onTimer(`wifi_station_disconnect();`)},
		"not-confirmed"},
	"loses the network again and again": {variant{source: "#include <esper/Timer.h>\n#include <user_interface.h>\nusing namespace esper;\n" + `
static struct Lose { Lose() { static Timer timer([](void*) { wifi_station_disconnect(); wifi_station_connect(); }, nullptr);
    timer.repeat(8000); } } lose;
`}, "not-confirmed"},
	"crashes after a minute, when that is before its confirmation": {variant{
		source: everyMinute(`asm volatile("ill");`),
		config: func(c *site.Config) { c.Update.ConfirmAfter = 2 * time.Minute },
	}, "crashed"},
	"hangs before it has begun":              {variant{source: "\nstatic struct Hang { Hang() { for (;;) asm volatile(\"\"); } } hang;\n"}, "hung"},
	"does not reach the broker":              {variant{config: func(c *site.Config) { c.MQTT.Host = "nowhere" }}, "not-confirmed"},
	"looks for updates where there are none": {variant{config: func(c *site.Config) { c.Update.Host = "nowhere" }}, "not-confirmed"},
	"asks for updates by a wrong path":       {variant{config: func(c *site.Config) { c.Update.Path = "/x" }}, "not-confirmed"},
	"trusts a key that nobody has": {variant{config: func(c *site.Config) { c.Update.Keys = []ed25519.PublicKey{make([]byte, 32)} }},
		"not-confirmed"},
	"leaves no memory for an image": {variant{source: "#include <user_interface.h>\n" + onTimer(
		`while (system_get_free_heap_size() > 16384) pvPortMalloc(512, "", 0, false);`)}, "not-confirmed"},
}

// R2. The old firmware comes back, says why, and leaves the release alone until it
// is told otherwise.
func TestAReleaseThatFailsIsRolledBack(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			failure.variant.name = name
			w.rollsBack(w.add(1, "socket", "v1", 1), failure.variant, failure.reason)
		})
	}
}

// rBoot does not tell the firmware that a trial is over: its record says the same as after any
// other start.
func TestAReleaseThatFailsIsRolledBackByABootloaderThatDoesNotTell(t *testing.T) {
	for _, name := range []string{"crashes at once", "hangs", "restarts"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.firmwares.images(t, "socket", "v1", 1) // makes the bootloader
			foreign := changed(t, w.firmwares.bootloader, 0x10, 0)
			d := w.addWith(foreign, 1, "socket", "v1", 1)
			trials := 0
			d.OnReset = func(esp8266.ResetReason) {
				if w.record(d).LastMode&image.ModeTemporary == 0 {
					return
				}
				trials++
				if err := d.Chip.Write(image.RTCRecordAddress, make([]byte, image.RTCRecordSize)); err != nil {
					t.Error(err)
				}
			}
			failure := failures[name]
			failure.variant.name = name
			w.rollsBack(d, failure.variant, failure.reason)
			if trials == 0 {
				t.Error("there was no trial")
			}
		})
	}
}

// rollsBack lets a device that runs v1 try a v2 that fails, and v3 afterwards.
func (w *world) rollsBack(d *emulator.Device, v2 variant, reason string) {
	w.t.Helper()
	w.publish("socket", "v1", 1)
	w.settle()
	w.publishVariant("socket", "v2", 2, v2)

	rolledBack := func() bool {
		u := w.lastUpdate(d)
		return u.State == "rolled-back" && u.Version == "v2" && u.Error == reason
	}
	// at returns how many resets there were, so that a trial does not go unseen.
	at := func(what string) int {
		w.t.Helper()
		w.expect("rolled back after "+what, 7*time.Minute, rolledBack)
		w.RunFor(5 * time.Second)
		if !w.runs(d, "v1") || w.defaults(d) != 0 {
			w.t.Fatalf("%s: slot %d is the default, %+v", what, w.defaults(d), w.lastUpdate(d))
		}
		if i := w.flash(d).Slots[1].Image; i != nil {
			w.t.Errorf("%s: slot 1 could still be booted", what)
		}
		if !rolledBack() {
			w.t.Errorf("%s: reports %+v", what, w.lastUpdate(d))
		}
		return d.Resets()
	}
	w.notify()
	resets := at("a message to all")

	w.notify()
	w.RunFor(5 * time.Second)
	w.RunFor(70 * time.Minute)
	if now := at("another message and the interval"); now != resets {
		w.t.Errorf("%d resets: it was tried again", now-resets)
	}
	d.PowerCycle()
	w.RunFor(10 * time.Second)
	if now := at("a power cut"); now != resets+1 {
		w.t.Errorf("%d resets: it was tried again", now-resets-1)
	}
	if reason != "hung" { // which is slow to emulate
		w.notifyOne(d)
		w.expect("another trial", 20*time.Second, func() bool { return d.Resets() > resets+1 })
		resets = at("a message to the device")
		w.notify()
		w.RunFor(30 * time.Second)
		if now := at("a message to all again"); now != resets {
			w.t.Errorf("%d resets: it was tried again", now-resets)
		}
	}

	w.publish("socket", "v3", 3)
	w.notify()
	w.expect("v3 runs", time.Minute, func() bool { return w.runs(d, "v3") })
}

func TestATrialThatLosesItsPowerIsTriedAgainFromFlash(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	images := w.requests("socket.rom1")
	w.RunFor(3 * time.Second)
	d.PowerCycle()
	w.expect("v1 again", 10*time.Second, func() bool { return w.starts(d, "v1") })
	w.expect("v2 after all", time.Minute, func() bool { return w.runs(d, "v2") })
	if n := w.requests("socket.rom1"); n != images {
		t.Errorf("%d requests for an image that is there", n-images)
	}
}

// What is in flash counts only if it is right to the last bit.
func TestADamagedReleaseInFlashIsMadeAgain(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	deltas := w.requests("socket.v1.delta1")
	d.Chip.Flash.Put(image.Slot1Address+0x5000, []byte{0, 0, 0, 0})
	d.PowerCycle()
	w.expect("v2 after all", time.Minute, func() bool { return w.runs(d, "v2") })
	if n := w.requests("socket.v1.delta1"); n == deltas {
		t.Error("it was not made again")
	}
}

func TestARestartEndsATrial(t *testing.T) {
	t.Parallel()
	w, d := toTrial(t)
	w.broker.Publish(realm+"/reboot", d.ID(), false)
	w.expect("rolled back", 20*time.Second, func() bool {
		u := w.lastUpdate(d)
		return w.runs(d, "v1") && u.State == "rolled-back" && u.Error == "not-confirmed"
	})
}

// The sector has room for 63 refusals; then the list begins anew.
func TestThereIsAlwaysRoomForARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	d.Chip.Flash.Put(image.BootConfigurationAddress+64, make([]byte, image.SectorSize-64))
	crash := failures["crashes at once"].variant
	crash.name = "crashes at once"
	w.publishVariant("socket", "v2", 2, crash)
	w.notify()
	w.expect("rolled back", 20*time.Second, func() bool { return w.lastUpdate(d).State == "rolled-back" })
	w.notify()
	w.RunFor(10 * time.Second)
	if u := w.lastUpdate(d); u.State != "rolled-back" || u.Error != "crashed" || w.defaults(d) != 0 {
		t.Errorf("slot %d is the default, %+v", w.defaults(d), u)
	}
}
