package loop

import (
	"testing"
	"time"
)

// A board that was flashed over serial and started without its power being switched would end in its
// ROM at the next restart. It says so, and restarts for nobody, least of all into a trial.
func TestABoardWhoseBootModeIsLatchedDoesNotRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	const gpio0 = 0
	d.SetPin(gpio0, false)
	d.PowerCycle()
	w.RunFor(time.Second)
	d.Chip.Receive([]byte{0xC0, 0, 4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xC0}) // FLASH_END: run what is in flash
	d.SetPin(gpio0, true)
	w.settle()
	if !w.device(d).Info.Boot.Latched {
		t.Fatalf("it reports %+v", w.device(d).Info.Boot)
	}
	resets := d.Resets()
	w.publish("socket", "v2", 2)
	w.notify()
	w.expect("why it takes no update", time.Minute, func() bool {
		u := w.lastUpdate(d)
		return u.State == "failed" && u.Version == "v2" && u.Error == "boot-mode-latched"
	})
	w.broker.Publish(realm+"/reboot", d.ID(), false)
	w.RunFor(5 * time.Second)
	if d.Resets() != resets || !w.runs(d, "v1") {
		t.Errorf("%d resets", d.Resets()-resets)
	}
	d.PowerCycle()
	w.expect("the update", time.Minute, func() bool { return w.runs(d, "v2") && !w.device(d).Info.Boot.Latched })
}
