package loop

import (
	"testing"
	"time"

	"esper/emulator"
)

// crashing is firmware that is fine for longer than a trial takes to be confirmed,
// and from its second start on crashes after two seconds: the start is told by a word
// in RTC memory that only a power cut changes.
var crashing = variant{name: "confirms and crashes", source: `
#include <esper/Timer.h>
#include <user_interface.h>
using namespace esper;
static void crash(void*) { asm volatile("ill"); }
static Timer crashes(crash, nullptr);
static struct Start {
    Start() {
        volatile uint32_t* word = reinterpret_cast<volatile uint32_t*>(0x600013F0);
        const bool again = *word == 0x600DF00D;
        *word = 0x600DF00D;
        crashes.once(again ? 2000 : 60000);
    }
} start;
`}

// toSafeMode lets v2, which is confirmed and then crashes again and again, come to a
// socket.
func toSafeMode(t *testing.T) (*world, *emulator.Device) {
	t.Helper()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.publishVariant("socket", "v2", 2, crashing)
	w.notify()
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
	w.expect("safe mode", 3*time.Minute, func() bool { return w.runs(d, "v2") && w.device(d).Info.Boot.Safe })
	return w, d
}

func TestFirmwareThatCrashesInALoopCanStillBeUpdated(t *testing.T) {
	t.Parallel()
	w, d := toSafeMode(t)
	resets := d.Resets()
	w.RunFor(time.Minute)
	if d.Resets() != resets {
		t.Error("it crashes in safe mode, too")
	}
	topic := realm + "/" + d.ID() + "/socket"
	w.broker.Publish(topic+"/set", "1", false)
	w.RunFor(time.Second)
	if d.Pin(12) {
		t.Error("its features work")
	}
	w.publish("socket", "v3", 3)
	w.notify()
	w.expect("v3, as a whole", 2*time.Minute, func() bool { return w.runs(d, "v3") && !w.device(d).Info.Boot.Safe })
	w.broker.Publish(topic+"/set", "1", false)
	w.RunFor(time.Second)
	if !d.Pin(12) {
		t.Error("the features of v3 do not work")
	}
}

func TestSafeModeEndsWithARestartOrAPowerCut(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *emulator.Device){
		"a restart after five minutes": func(w *world, d *emulator.Device) {
			w.RunFor(5 * time.Minute)
			w.broker.Publish(realm+"/reboot", d.ID(), false)
		},
		"a power cut": func(_ *world, d *emulator.Device) { d.PowerCycle() },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := toSafeMode(t)
			end(w, d)
			w.expect("its features", 20*time.Second, func() bool { return w.runs(d, "v2") && !w.device(d).Info.Boot.Safe })
		})
	}
}

// Four crashes are bad luck; and so are more, with time between them.
func TestAFewCrashesAreNoReasonForSafeMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	// After 330 s it crashes: healthy long enough.
	w.publishVariant("socket", "v2", 2, variant{name: "crashes every 330 s", source: `
#include <esper/Timer.h>
using namespace esper;
static void crash(void*) { asm volatile("ill"); }
static Timer crashes(crash, nullptr);
static struct Start { Start() { crashes.once(330000); } } start;
`})
	w.notify()
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
	resets := d.Resets()
	w.RunFor(45 * time.Minute)
	if n := d.Resets() - resets; n < 7 {
		t.Fatalf("%d crashes", n)
	}
	w.expect("v2 still runs", time.Minute, func() bool { return w.runs(d, "v2") })
	if w.device(d).Info.Boot.Safe {
		t.Error("safe mode")
	}
}
