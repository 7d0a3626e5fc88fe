package loop

import (
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/internal/site"
)

const (
	jitterDevices = 6
	jitter        = 2 * time.Minute
	followed      = 8 * time.Second // at once, with the pause from check to check
)

// firstChecks returns how long after a time each device asked for the version file first.
func (w *world) firstChecks(since time.Duration) map[string]time.Duration {
	first := map[string]time.Duration{}
	for _, q := range w.web.Requests() {
		id := q.Header.Get("X-Esper-Device")
		if _, known := first[id]; q.At >= since && strings.HasSuffix(q.URL, "socket.version") && !known {
			first[id] = q.At - since
		}
	}
	return first
}

// spread returns how long after a trigger for all devices each asked, and their world. More triggers
// follow the first every ten seconds if they are told again.
func spread(t *testing.T, v variant, again bool) (*world, map[string]time.Duration) {
	t.Helper()
	w := newWorld(t)
	rom := w.firmwares.variant(t, "socket", "v1", 1, v)[0]
	for id := range uint32(jitterDevices) {
		w.addImage(w.firmwares.bootloader, id+1, rom)
	}
	w.publish("socket", "v1", 1)
	w.settle()
	w.RunFor(time.Minute) // no check is near
	began := w.Now()
	for end := began + jitter + followed; w.Now() < end; w.RunFor(10 * time.Second) {
		if w.Now() == began || again {
			w.notify()
		}
	}
	asked := w.firstChecks(began)
	for _, d := range w.Devices {
		if _, ok := asked[d.ID()]; !ok {
			t.Fatalf("%s did not ask: %v", d.ID(), asked)
		}
	}
	return w, asked
}

// alone has a trigger for one device followed at once, by no other.
func alone(t *testing.T, w *world, d *emulator.Device) {
	t.Helper()
	w.RunFor(jitter + followed) // what triggers before have led to is over
	began := w.Now()
	w.broker.Publish(realm+"/"+d.ID()+"/update", "", false)
	w.RunFor(followed)
	if asked := w.firstChecks(began); len(asked) != 1 || asked[d.ID()] == 0 {
		t.Errorf("a trigger for %s alone: %v asked", d.ID(), asked)
	}
}

// A trigger for all devices is followed within the jitter, at a time of each device's own. Others
// during the wait do not put it off, and a trigger for one device is followed at once.
func TestATriggerForAllIsSpreadOverTheJitter(t *testing.T) {
	v := variant{name: "jitter", config: func(c *site.Config) { c.Update.Jitter = jitter }}
	w, asked := spread(t, v, false)
	least, most := jitter, time.Duration(0)
	for _, at := range asked {
		least, most = min(least, at), max(most, at)
	}
	if most > jitter+followed || most-least < jitter/4 {
		t.Errorf("they asked after %v", asked)
	}
	alone(t, w, w.Devices[0])

	_, again := spread(t, v, true) // in the emulator they draw the same times
	for id, at := range again {
		if (at - asked[id]).Abs() > time.Second {
			t.Errorf("%s is told again and again, and asks after %v in place of %v", id, at, asked[id])
		}
	}
}

func TestWithoutJitterATriggerForAllIsFollowedAtOnce(t *testing.T) {
	w, asked := spread(t, variant{}, false)
	for id, at := range asked {
		if at > followed {
			t.Errorf("%s asked after %v", id, at)
		}
	}
	alone(t, w, w.Devices[0])
}
