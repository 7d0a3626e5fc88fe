package loop

import (
	"strconv"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/release"
)

// keeping has device code that keeps a number, which is set by a command and published. From 5000
// on it may be written within an hour.
var keeping = variant{name: "keeping", source: `
#include <esper/Persisted.h>
#include <esper/features/Sensor.h>
using namespace esper;
static Persisted<int32_t> kept("kept", 7);
static int32_t keptNow() { return kept; }
constexpr const char KEPT[] = "kept";
Sensor<KEPT, keptNow, 1> keptSensor(&device);
static struct Keeper {
    Keeper() : commands(&device, Subscription::Scope::ONE, "kept", "set",
                        receive<Keeper, &Keeper::take>, this) {}
    void take(const char* payload, size_t length) {
        int32_t number = 0;
        for (size_t i = 0; i < length; i++) {
            number = 10 * number + (payload[i] - '0');
        }
        kept.set(number, number < 5000 ? 100 : 3600000);
    }
    Subscription commands;
} keeper;
`}

// setKept sends a command to the value.
func (w *world) setKept(d *emulator.Device, value int) {
	w.broker.Publish(realm+"/"+d.ID()+"/kept/set", strconv.Itoa(value), false)
}

// journalWrites returns the flash operations of a device in the journal from now on.
func journalWrites(d *emulator.Device) *[]esp8266.Operation {
	var all []esp8266.Operation
	d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if ofJournal(op) {
			op.Data = nil
			all = append(all, op)
		}
		return esp8266.Cut{}
	}
	return &all
}

// ofJournal reports whether an operation is on the journal's sectors.
func ofJournal(op esp8266.Operation) bool {
	return op.Addr >= image.ApplicationDataAddress &&
		op.Addr < image.ApplicationDataAddress+2*image.SectorSize
}

// addKeeping switches on a device with that code.
func (w *world) addKeeping(id uint32) *emulator.Device {
	images := w.firmwares.variant(w.t, "socket", "v1", 1, keeping)
	return w.addImage(w.firmwares.bootloader, id, images[0])
}

// expectKeptAfter switches a device off and on, and waits for what it publishes then.
func (w *world) expectKeptAfter(d *emulator.Device, value string) {
	w.t.Helper()
	d.PowerCycle()
	w.broker.Publish(realm+"/"+d.ID()+"/kept", "", true)
	w.expectKept(d, value)
}

func (w *world) expectKept(d *emulator.Device, value string) {
	w.t.Helper()
	w.expect("kept is "+value, 10*time.Second, func() bool { return w.state(d, "kept") == value })
}

func TestAPersistedValueOutlivesPowerCutsRestartsAndUpdates(t *testing.T) {
	keptOutlives(t, newWorld(t))
}

func keptOutlives(t *testing.T, w *world) {
	w.publish("socket", "v0", 1)
	d := w.addKeeping(1)
	w.settle()
	w.expectKept(d, "7")
	w.setKept(d, 12)
	w.expectKept(d, "12")
	w.RunFor(200 * time.Millisecond)
	w.expectKeptAfter(d, "12")

	// What may wait for an hour is written before a restart by command.
	w.setKept(d, 5013)
	w.expectKept(d, "5013")
	resets := d.Resets()
	w.broker.Publish(realm+"/reboot", d.ID(), false)
	w.expect("a restart", 5*time.Second, func() bool { return d.Resets() > resets })
	w.broker.Publish(realm+"/"+d.ID()+"/kept", "", true)
	w.expectKept(d, "5013")

	// A firmware that knows nothing of it leaves it alone, and so does the update to it.
	w.publish("socket", "v2", 2)
	w.notify()
	w.expect("v2 runs", 2*time.Minute, func() bool { return w.runs(d, "v2") })
	images := w.firmwares.variant(t, "socket", "v3", 3, keeping)
	r, err := release.Sign(images, w.firmwares.key)
	must(t, err)
	w.offer(r)
	w.notify()
	w.expect("v3 runs", 2*time.Minute, func() bool { return w.runs(d, "v3") })
	w.setKept(d, 14)
	w.expectKept(d, "14")
	w.RunFor(200 * time.Millisecond)
	w.expectKeptAfter(d, "14")
}

// However many commands come, the flash is erased as rarely as SPEC 12.7 says.
func TestAFloodOfCommandsDoesNotWearOutTheJournal(t *testing.T) {
	w := newWorld(t)
	d := w.addKeeping(1)
	w.settle()
	written := journalWrites(d)
	for i := 0; i < 3000; i++ {
		w.setKept(d, i)
		w.RunFor(120 * time.Millisecond)
	}
	// 8,192 bytes at once and 2 a second: in six minutes an erasure of each sector, and what the
	// records behind them take.
	if n := erases(*written); n != 3 {
		t.Errorf("%d sectors were erased in %v", n, 360*time.Second)
	}
	if n := len(*written) - erases(*written); n < 120 || n > 150 {
		t.Errorf("%d records were written", n)
	}
	w.expectKept(d, "2999") // it is used all the same
	w.RunFor(2 * time.Minute)
	w.expectKeptAfter(d, "2999")
}
