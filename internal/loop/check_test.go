package loop

import (
	"testing"
	"time"
)

// R5.
func TestNothingIsDownloadedWhenTheVersionIsTheDevicesOwn(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle() // and refresh the other slot
	images := w.requests("socket.rom")
	for range 3 {
		before := w.requests("socket.version")
		w.notify()
		w.expect("a check", 10*time.Second, func() bool { return w.requests("socket.version") > before })
		w.RunFor(5 * time.Second)
	}
	if n := w.requests("socket.rom"); n != images {
		t.Errorf("%d requests for images", n-images)
	}
	if u := w.lastUpdate(d); u.State != "idle" || u.Version != "v1" {
		t.Errorf("reports %+v", u)
	}
}

// R1: each of these is enough for a new release to be installed.
func TestWhatCausesACheck(t *testing.T) {
	for name, cause := range map[string]func(*world, string){
		"a message to all":        func(w *world, _ string) { w.notify() },
		"a message to the device": func(w *world, id string) { w.broker.Publish(realm+"/"+id+"/update", "x", false) },
		"the interval of an hour": func(w *world, _ string) { w.RunFor(70 * time.Minute) },
		"a restart":               func(w *world, _ string) { w.Devices[0].PowerCycle() },
		"a new connection (broker)": func(w *world, _ string) {
			w.Net.SetDown(w.brokerHost, true)
			w.RunFor(time.Second)
			w.Net.SetDown(w.brokerHost, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.add(1, "socket", "v1", 1)
			w.publish("socket", "v1", 1)
			w.settle()
			w.publish("socket", "v2", 2)
			w.RunFor(10 * time.Minute)
			if !w.runs(d, "v1") {
				t.Fatal("installed without a cause")
			}
			cause(w, d.ID())
			w.expect("v2 runs", 2*time.Minute, func() bool { return w.runs(d, "v2") })
		})
	}
}

func TestAMessageToOneDeviceConcernsNoOther(t *testing.T) {
	w := newWorld(t)
	one, other := w.add(1, "socket", "v1", 1), w.add(2, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.publish("socket", "v2", 2)
	w.broker.Publish(realm+"/"+one.ID()+"/update", "", false)
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(one, "v2") })
	if !w.runs(other, "v1") {
		t.Error("the other device was updated, too")
	}
}

// A trigger that comes while an update is running is not lost.
func TestAReleaseThatIsPublishedDuringADownloadFollows(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.publish("socket", "v2", 2)
	w.notify()
	w.expect("downloading", 10*time.Second, func() bool { return w.lastUpdate(d).State == "downloading" })
	w.publish("socket", "v3", 3)
	w.notify()
	w.expect("v3 runs", 2*time.Minute, func() bool { return w.runs(d, "v3") })
}

// R3: normal operation goes on while a download is running.
func TestTheSwitchAnswersWithin100msDuringAnUpdate(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	w.publish("socket", "v2", 2)
	w.notify()
	w.expect("downloading", 10*time.Second, func() bool { return w.lastUpdate(d).State == "downloading" })

	const gpio = 12
	topic := realm + "/" + d.ID() + "/socket"
	var worst time.Duration
	commands := 0
	for on := true; w.lastUpdate(d).State == "downloading"; on = !on {
		wanted := map[bool]string{true: "1", false: "0"}[on]
		sent := w.Now()
		w.broker.Publish(topic+"/set", wanted, false)
		w.expect("an answer to "+wanted, time.Second, func() bool {
			state, _ := w.broker.Retained(topic)
			return state == wanted
		})
		if d.Pin(gpio) != on {
			t.Fatalf("the pin is %v after %s", d.Pin(gpio), wanted)
		}
		worst = max(worst, w.Now()-sent)
		commands++
		w.RunFor(7 * time.Millisecond)
	}
	t.Logf("%d commands during the download, the slowest answered after %v", commands, worst)
	if commands < 5 {
		t.Errorf("only %d commands were carried out during the download", commands)
	}
	if worst > 100*time.Millisecond {
		t.Errorf("an answer took %v", worst)
	}
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
}

func TestTheSameInputsGiveTheSameInstructionCount(t *testing.T) {
	run := func() (uint64, time.Duration) {
		w := newWorld(t)
		d := w.add(1, "socket", "v1", 1)
		w.add(2, "sensor", "v1", 1)
		w.publish("socket", "v2", 2)
		w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
		return d.Cycles(), w.Now()
	}
	cycles, now := run()
	for range 2 {
		if c, n := run(); c != cycles || n != now {
			t.Fatalf("%d cycles and %v, before %d and %v", c, n, cycles, now)
		}
	}
}
