// Package waiting tells devices that sleep that a release waits for them (docs/SPEC.md section 7.7),
// by a message that the broker retains: such a device hears nothing else, and to ask the update
// server in each wake would cost its battery more.
package waiting

import (
	"log/slog"
	"maps"
	"strings"
	"sync"

	"esper/internal/broker"
	"esper/internal/fleet"
)

// topic is where it is published, after <realm>/<id>/.
const topic = "update/waiting"

// What the broker retains there.
const (
	nothing = ""
	release = "1"
	unknown = "?" // neither, or nobody knows: it is published again whatever it should be
)

// Topics returns the filter of the topics that [Waiting.Handle] wants to have.
func Topics(realm string) string { return realm + "/+/" + topic }

// maxDevices bounds the devices of which it is known what the broker retains. Anyone can make up ids.
const maxDevices = 100_000

// Config is how it is set up.
type Config struct {
	Realm   string
	Devices func() []fleet.Device
	// Due reports whether a device would get another release than it has if it asked now. Before is
	// whether it has been told so. It is asked only for devices that sleep.
	Due func(d fleet.Device, before bool) bool
	Log *slog.Logger
}

// Waiting tells the devices of a realm that sleep. Its methods can be called at the same time.
type Waiting struct {
	config Config

	mu       sync.Mutex        // guards the following field
	retained map[string]string // what the broker retains, by device
}

// New returns a Waiting that has told no device yet.
func New(c Config) *Waiting {
	return &Waiting{config: c, retained: map[string]string{}}
}

// Handle takes in what somebody published, perhaps a server before this one: what is wrong of it is
// corrected by the next [Waiting.Look].
func (w *Waiting) Handle(of string, payload []byte) {
	of = strings.TrimPrefix(of, w.config.Realm+"/")
	if id, ok := strings.CutSuffix(of, "/"+topic); ok && fleet.IsID(id) {
		w.keep(id, string(payload))
	}
}

// keep notes what the broker retains for a device.
func (w *Waiting) keep(id, payload string) {
	if payload != nothing && payload != release {
		payload = unknown
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.retained[id]; payload == nothing {
		delete(w.retained, id)
	} else if known || len(w.retained) < maxDevices {
		w.retained[id] = payload
	}
}

// Reconnected says that the broker may have lost what it retained. It is to be called before what the
// broker still retains comes to [Waiting.Handle] again.
func (w *Waiting) Reconnected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.retained {
		w.retained[id] = unknown
	}
}

// Look publishes what has changed. It is to be called every few seconds while there is a broker. What
// cannot be published is tried again the next time.
func (w *Waiting) Look(client broker.Client) {
	told := 0
	for id, payload := range w.wrong() {
		if err := client.Publish(w.config.Realm+"/"+id+"/"+topic, []byte(payload), true); err != nil {
			w.config.Log.Debug("devices that sleep are not told whether a release waits", "error", err)
			break // the broker is gone, or slow
		}
		w.keep(id, payload)
		told++
	}
	if told > 0 {
		w.config.Log.Debug("devices that sleep are told whether a release waits", "devices", told)
	}
}

// wrong returns what is to be published, by device.
func (w *Waiting) wrong() map[string]string {
	w.mu.Lock()
	before := maps.Clone(w.retained)
	w.mu.Unlock()
	want := map[string]string{}
	for id := range before { // removed, unless it sleeps and is due
		want[id] = nothing
	}
	for _, d := range w.config.Devices() {
		if d.Info != nil && d.Info.Sleep > 0 && w.config.Due(d, before[d.ID] == release) {
			want[d.ID] = release
		}
	}
	maps.DeleteFunc(want, func(id, payload string) bool { return payload == before[id] })
	return want
}
