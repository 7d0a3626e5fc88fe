package emulator_test

import (
	"reflect"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
)

func TestADeviceBootsAndReports(t *testing.T) {
	w := newWorld(t)
	d := w.device(0x00C0DE)
	w.until("home/00c0de/info", `"esper":"one","sequence":1`, 5*time.Second)
	w.until("home/00c0de/status", "ONLINE", 0)
	if len(w.broker.Errors()) > 0 || d.Resets() != 0 {
		t.Errorf("errors %q, %d resets", w.broker.Errors(), d.Resets())
	}
	if used := d.SDK.StackUsed(); used == 0 || used > 4096 {
		t.Errorf("%d bytes of stack used", used)
	}
}

func TestADeviceCarriesOutACommand(t *testing.T) {
	w := newWorld(t)
	d := w.device(1)
	w.until("home/000001/socket", "0", 5*time.Second)
	begin := w.Now()
	w.broker.Publish("home/000001/socket/set", "1", false)
	w.until("home/000001/socket", "1", time.Second)
	if took := w.Now() - begin; took > 100*time.Millisecond || !d.Pin(12) {
		t.Errorf("after %v the pin is %v", took, d.Pin(12))
	}
}

func TestADeviceUpdatesItself(t *testing.T) {
	w := newWorld(t)
	d := w.device(0x00C0DE)
	var reasons []esp8266.ResetReason
	d.OnReset = func(reason esp8266.ResetReason) { reasons = append(reasons, reason) }
	w.publish()
	w.until("home/00c0de/info", `"esper":"one"`, 5*time.Second)
	w.build("two", 2)
	w.publish()
	w.broker.Publish("home/update", "", false)
	begin := w.Now()
	w.until("home/00c0de/info", `"esper":"two","sequence":2`, time.Minute)
	w.until("home/00c0de/info", `"rom":1`, 0)
	t.Logf("the update took %v, with %d bytes of stack and at least %d bytes of heap free",
		w.Now()-begin, d.SDK.StackUsed(), func() int { _, least := d.SDK.HeapFree(); return least }())
	if !reflect.DeepEqual(reasons, []esp8266.ResetReason{esp8266.ResetRestart}) {
		t.Errorf("resets: %v", reasons)
	}
}

func TestADeviceComesBackAfterEachFault(t *testing.T) {
	for name, fault := range map[string]struct {
		begin, end func(w *world, d *emulator.Device)
	}{
		"the access point is off": {
			func(w *world, _ *emulator.Device) { w.Net.SetAccessPoint(false) },
			func(w *world, _ *emulator.Device) { w.Net.SetAccessPoint(true) },
		},
		"the broker is down": {
			func(w *world, _ *emulator.Device) { w.Net.SetDown(w.hosts.broker, true) },
			func(w *world, _ *emulator.Device) { w.Net.SetDown(w.hosts.broker, false) },
		},
		"the broker is silent": {
			func(w *world, _ *emulator.Device) { w.hosts.broker.Silent = true },
			func(w *world, _ *emulator.Device) { w.hosts.broker.Silent = false },
		},
		"the broker refuses": {
			func(w *world, d *emulator.Device) { w.broker.Refuse = 3; d.PowerCycle() },
			func(w *world, _ *emulator.Device) { w.broker.Refuse = 0 },
		},
		"the power is cut": {
			func(*world, *emulator.Device) {},
			func(_ *world, d *emulator.Device) { d.PowerCycle() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.device(7)
			w.until("home/000007/status", "ONLINE", 5*time.Second)
			fault.begin(w, d)
			w.RunFor(2 * time.Minute)
			before := len(w.broker.Messages())
			fault.end(w, d)
			online := func() bool {
				for _, m := range w.broker.Messages()[before:] {
					if m.Topic == "home/000007/status" && m.Payload == "ONLINE" {
						return true
					}
				}
				return false
			}
			if !w.RunUntil(online, 3*time.Minute) {
				t.Errorf("it has not come back; broker: %q", w.broker.Errors())
			}
		})
	}
}

func TestTheSameInputsGiveTheSameInstructions(t *testing.T) {
	w := newWorld(t)
	type outcome struct {
		cycles   []uint64
		messages []network.Message
	}
	var first outcome
	for round := range 2 {
		v := *w
		v.Lab = emulator.NewLab()
		v.broker = network.NewBroker(v.Net)
		v.Net.AddHost("broker").Listen(1883, v.broker)
		v.Net.AddHost("web").Listen(80, network.Raw("HTTP/1.1 500 No\r\n\r\n"))
		devices := []*emulator.Device{v.device(1), v.device(2), v.device(3)}
		v.RunFor(10 * time.Second)
		v.broker.Publish("home/update", "", false)
		devices[1].PowerCycle()
		v.RunFor(20 * time.Second)
		var o outcome
		for _, d := range devices {
			o.cycles = append(o.cycles, d.Cycles())
		}
		o.messages = v.broker.Messages()
		if len(o.messages) < 12 {
			t.Fatalf("only %d messages", len(o.messages))
		}
		if round == 0 {
			first = o
		} else if !reflect.DeepEqual(o, first) {
			t.Errorf("it went differently: %v, %v", o.cycles, first.cycles)
		}
	}
}

func TestASnapshotWithItsNetworkGoesOnAlike(t *testing.T) {
	w := newWorld(t)
	d := w.device(5)
	w.until("home/000005/update/status", "checking", 5*time.Second) // a request is on its way
	snapshot, net := d.Snapshot(), w.Net.Clone()
	w.RunFor(90 * time.Second)

	twin := &world{Lab: emulator.NewLab(), t: t, dir: w.dir}
	again := twin.device(6)
	if err := again.Restore(snapshot, net.Links()[0]); err != nil {
		t.Fatal(err)
	}
	twin.Lab = emulator.NewLabOn(net, again)
	twin.broker = net.Host("broker").Peer(1883).(*network.Broker)
	twin.RunFor(90 * time.Second)
	if again.ID() != "000005" || again.Cycles() != d.Cycles() || !reflect.DeepEqual(twin.broker.Messages(), w.broker.Messages()) {
		t.Errorf("%s: %d cycles, %d messages, not %d and %d", again.ID(), again.Cycles(), len(twin.broker.Messages()),
			d.Cycles(), len(w.broker.Messages()))
	}
}

func TestThePowerCanBeCutInAFlashOperation(t *testing.T) {
	w := newWorld(t)
	d := w.device(5)
	w.until("home/000005/info", `"esper":"one"`, 5*time.Second)
	w.build("two", 2)
	w.publish()
	w.broker.Publish("home/update", "", false)
	cut := false
	d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		if op.Index < 20 || cut {
			return esp8266.Cut{}
		}
		cut = true
		return esp8266.CutTorn(op.Len / 2)
	}
	w.until("home/000005/info", `"esper":"two"`, 2*time.Minute)
	if !cut || d.Resets() != 2 {
		t.Errorf("cut %v, %d resets", cut, d.Resets())
	}
}
