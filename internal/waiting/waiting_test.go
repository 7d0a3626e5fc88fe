package waiting

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"esper/internal/broker"
	"esper/internal/fleet"
)

// world is a fleet at a broker that retains.
type world struct {
	*Waiting
	devices  []fleet.Device
	due      map[string]bool
	retained map[string]string
	sent     []string
	away     bool
}

func newWorld() *world {
	w := &world{due: map[string]bool{}, retained: map[string]string{}}
	w.restart()
	return w
}

// restart begins again as another server does, which hears what is retained.
func (w *world) restart() {
	w.Waiting = New(Config{
		Realm: "home", Devices: func() []fleet.Device { return w.devices },
		Due: func(d fleet.Device, _ bool) bool { return w.due[d.ID] }, Log: slog.New(slog.DiscardHandler),
	})
	w.hear()
}

func (w *world) hear() {
	for topic, payload := range w.retained {
		w.Handle(topic, []byte(payload))
	}
}

// Publish, Subscribe, Connected and Close implement broker.Client.
func (w *world) Publish(topic string, payload []byte, retain bool) error {
	if w.away || !retain {
		return errors.New("no broker")
	}
	w.sent = append(w.sent, strings.TrimPrefix(topic, "home/")+"="+string(payload))
	if w.retained[topic] = string(payload); len(payload) == 0 {
		delete(w.retained, topic)
	}
	w.Handle(topic, payload)
	return nil
}
func (w *world) Subscribe(string, func(broker.Message)) error { return nil }
func (w *world) Connected() bool                              { return !w.away }
func (w *world) Close() error                                 { return nil }

// looks returns what is published by a look.
func (w *world) looks() string {
	w.sent = nil
	w.Look(w)
	slices.Sort(w.sent)
	return strings.Join(w.sent, " ")
}

// device adds a device that wakes every so many seconds; 0: it does not sleep.
func (w *world) device(id string, sleep uint32) {
	w.devices = append(w.devices, fleet.Device{ID: id, Info: &fleet.Info{Sleep: sleep}})
}

func (w *world) expect(t *testing.T, when, want string) {
	t.Helper()
	if got := w.looks(); got != want {
		t.Errorf("%s: published %q, want %q", when, got, want)
	}
}

func TestDevicesThatSleepAreToldOnceWhatWaits(t *testing.T) {
	w := newWorld()
	w.device("000001", 600)
	w.device("000002", 600)
	w.device("000003", 0) // hears a trigger
	w.devices = append(w.devices, fleet.Device{ID: "000004"})
	w.expect(t, "nothing waits", "")
	w.due["000001"], w.due["000003"], w.due["000004"] = true, true, true
	w.expect(t, "a release waits", "000001/update/waiting=1")
	w.expect(t, "each wake", "")
	w.due["000001"] = false
	w.expect(t, "it has it", "000001/update/waiting=")
	w.expect(t, "and then", "")
}

func TestWhatIsRetainedAndWrongIsRemoved(t *testing.T) {
	w := newWorld()
	w.device("000001", 600)
	w.device("000002", 600)
	w.device("000003", 0)
	w.due["000002"] = true
	w.retained = map[string]string{
		"home/000001/update/waiting": "1", "home/000002/update/waiting": "1", // of a server before
		"home/000003/update/waiting": "1", // it slept once
		"home/00dead/update/waiting": "1", // it is removed
		"home/000004/update/waiting": strings.Repeat("x", 1000),
	}
	w.restart()
	w.Handle("home/../update/waiting", []byte("1"))
	w.Handle("elsewhere/000001/update/waiting", []byte("1"))
	w.expect(t, "after a restart", "000001/update/waiting= 000003/update/waiting= 000004/update/waiting= 00dead/update/waiting=")
	w.expect(t, "and then", "")
	w.Handle("home/000002/update/waiting", []byte("no"))
	w.expect(t, "somebody spoilt it", "000002/update/waiting=1")
	w.devices = nil
	w.expect(t, "all are removed", "000002/update/waiting=")
}

func TestABrokerThatForgetsIsToldAgain(t *testing.T) {
	w := newWorld()
	w.device("000001", 600)
	w.device("000002", 600)
	w.due["000001"], w.due["000002"] = true, true
	w.expect(t, "at first", "000001/update/waiting=1 000002/update/waiting=1")
	w.away = true
	w.due["000002"] = false
	w.expect(t, "away", "")
	w.away, w.retained = false, map[string]string{}
	w.Reconnected()
	w.hear()
	w.expect(t, "it is back and has forgotten", "000001/update/waiting=1 000002/update/waiting=")
	w.Reconnected()
	w.hear()
	w.expect(t, "it is back and has not", "")
}

func TestTheDevicesThatAreKeptAreLimited(t *testing.T) {
	w := newWorld()
	for n := range maxDevices + 10 {
		w.Handle(fmt.Sprintf("home/%06x/update/waiting", n), []byte("1"))
	}
	if n := len(w.wrong()); n != maxDevices {
		t.Errorf("%d are kept", n)
	}
}

func BenchmarkLookAt10000Sleepers(b *testing.B) {
	w := newWorld()
	for n := range 10_000 {
		w.device(fmt.Sprintf("%06x", n), 600)
	}
	for b.Loop() {
		w.Look(w)
	}
}
