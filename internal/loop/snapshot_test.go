package loop

import (
	"reflect"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
)

// The first run and a fork of it from the middle of an update are the same to the cycle.
func TestASnapshotWithItsNetworkGoesOnAlike(t *testing.T) {
	w := newWorld(t)
	goesOnAlike(t, w, func(id uint32) *emulator.Device { return w.add(id, "socket", "v1", 1) })
}

// goesOnAlike compares a device's update with a fork of it.
func goesOnAlike(t *testing.T, w *world, add func(id uint32) *emulator.Device) {
	d := add(5)
	w.publish("socket", "v2", 2)
	w.expect("downloading", 30*time.Second, func() bool { return w.lastUpdate(d).State == "downloading" })
	w.RunFor(200 * time.Millisecond)
	snapshot, net := d.Snapshot(), w.Net.Clone()
	w.RunFor(90 * time.Second)
	if !w.runs(d, "v2") {
		t.Fatal("v2 does not run")
	}

	twin := add(6)
	if err := twin.Restore(snapshot, net.Links()[0]); err != nil {
		t.Fatal(err)
	}
	emulator.NewLabOn(net, twin).RunFor(90 * time.Second)
	broker := net.Host("broker").Peer(1883).(*network.Broker)
	if twin.ID() != d.ID() || twin.Cycles() != d.Cycles() || !reflect.DeepEqual(broker.Messages(), w.broker.Messages()) {
		t.Errorf("%s: %d cycles, %d messages, not %d and %d", twin.ID(), twin.Cycles(), len(broker.Messages()),
			d.Cycles(), len(w.broker.Messages()))
	}
}
