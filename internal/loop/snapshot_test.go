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

// goesOnAlike compares a device's update with forks of it: during the download, in the trial, which
// is another start, and behind that.
func goesOnAlike(t *testing.T, w *world, add func(id uint32) *emulator.Device) {
	d := add(5)
	w.publish("socket", "v2", 2)
	w.expect("downloading", 30*time.Second, func() bool { return w.lastUpdate(d).State == "downloading" })
	w.RunFor(200 * time.Millisecond)
	type fork struct {
		*emulator.Snapshot
		net *network.Memory
		at  time.Duration
	}
	forks := []fork{{d.Snapshot(), w.Net.Clone(), w.Now()}}
	for _, moment := range []func() bool{
		func() bool { return w.starts(d, "v2") },
		func() bool { return w.runs(d, "v2") },
	} {
		w.expect("v2", time.Minute, moment)
		w.RunFor(3 * time.Second)
		forks = append(forks, fork{d.Snapshot(), w.Net.Clone(), w.Now()})
	}
	w.RunFor(time.Minute)

	for i, f := range forks {
		twin := add(uint32(6 + i))
		if err := twin.Restore(f.Snapshot, f.net.Links()[0]); err != nil {
			t.Fatal(err)
		}
		emulator.NewLabOn(f.net, twin).RunFor(w.Now() - f.at)
		broker := f.net.Host("broker").Peer(1883).(*network.Broker)
		if twin.ID() != d.ID() || twin.Cycles() != d.Cycles() || !reflect.DeepEqual(broker.Messages(), w.broker.Messages()) {
			t.Errorf("fork %d: %s: %d cycles, %d messages, not %d and %d", i, twin.ID(), twin.Cycles(),
				len(broker.Messages()), d.Cycles(), len(w.broker.Messages()))
		}
	}
}
