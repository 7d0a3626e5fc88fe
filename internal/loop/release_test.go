package loop

import (
	"testing"
	"time"

	"esper/emulator"
)

// R1, R6, R7.
func TestAReleaseReachesTheDevicesOfItsTypeAndNoOthers(t *testing.T) {
	w := newWorld(t)
	sockets := []*emulator.Device{
		w.add(0x000001, "socket", "v1", 1), w.add(0x000002, "socket", "v1", 1), w.add(0x000003, "socket", "v1", 1),
	}
	sensor := w.add(0x000004, "sensor", "v1", 1)
	w.publish("socket", "v1", 1)
	w.publish("sensor", "v1", 1)
	w.settle()
	before, images := sensor.Resets(), w.requests("sensor.rom")

	w.publish("socket", "v2", 2)
	w.notify()
	for _, d := range sockets {
		w.expect(d.ID()+" runs v2", time.Minute, func() bool { return w.runs(d, "v2") })
		info := w.device(d).Info
		if info.Boot.ROM != 1 || info.Boot.Default != 1 || info.Version.Sequence != 2 || info.Boot.Reset != "restart" {
			t.Errorf("%s reports %+v", d.ID(), info)
		}
		if s := info.Boot.Slots; len(s) != 2 || s[0] == nil || s[0].Version != "v1" || s[1] == nil || s[1].Version != "v2" {
			t.Errorf("%s reports other slots", d.ID())
		}
	}
	w.RunFor(time.Minute)
	if !w.runs(sensor, "v1") || sensor.Resets() != before {
		t.Error("the release of another type changed the sensor")
	}
	if n := w.requests("sensor.rom"); n != images {
		t.Errorf("%d requests for images of the sensor", n-images)
	}

	// And back into slot 0.
	w.publish("socket", "v3", 3)
	w.notify()
	for _, d := range sockets {
		w.expect(d.ID()+" runs v3", time.Minute, func() bool { return w.runs(d, "v3") })
		if rom := w.device(d).Info.Boot.ROM; rom != 0 {
			t.Errorf("%s runs v3 from slot %d", d.ID(), rom)
		}
	}
}
