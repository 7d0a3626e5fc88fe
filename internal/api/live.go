package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/watch"
)

// The names of the events that listeners get.
const (
	HelloEvent   = "hello"          // all may have changed: read anew what is shown
	DeviceEvent  = "device"         // a [Device] has changed, or is new
	RemovedEvent = "device-removed" // a [Removed] device
	RolloutEvent = "rollout"        // a [rollout.State] has changed, and with it what devices get
	ReleaseEvent = "release"        // a [rollout.Release] was published
	FeatureEvent = "feature"        // the state of a [fleet.Feature] has changed
	BuildEvent   = "build"          // a [watch.Build] has changed
)

// Removed is a device that is known no more.
type Removed struct {
	ID string `json:"id"`
}

// Published is a release that was published.
type Published struct {
	Type     string `json:"type"`
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
}

// How listeners are told.
const (
	liveEvery     = 300 * time.Millisecond // what changes meanwhile is told once
	maxListeners  = 64
	listenerQueue = 512 // events; who does not take them in time is dropped
	maxChanged    = 256 // devices at a time; when more have changed, listeners read anew
)

// errListeners says that there are too many listeners.
var errListeners = errors.New("too many programs and pages follow this server already")

// Live tells listeners what changes.
type Live struct {
	store      store.Store
	repository *repository.Repository
	conductor  *conductor.Conductor
	log        *slog.Logger

	mu        sync.Mutex
	listeners map[*listener]bool
	changed   map[string]bool // devices
	seen      *sight          // nil: nobody listens
	ended     bool
}

// listener gets events until its channel is closed.
type listener struct{ events chan event }

// event is one thing that listeners are told.
type event struct {
	name string
	data []byte // JSON
}

// NewLive returns what tells listeners of changes while Run runs.
func NewLive(c Config) *Live {
	return &Live{
		store: c.Store, repository: c.Repository, conductor: c.Conductor, log: c.Log,
		listeners: map[*listener]bool{}, changed: map[string]bool{},
	}
}

// Changed is to be called when what is stored of devices has changed.
func (l *Live) Changed(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) == 0 {
		return
	}
	for _, id := range ids {
		l.changed[id] = true
	}
}

// Feature tells that a feature has another state.
func (l *Live) Feature(f fleet.Feature) { l.tell(FeatureEvent, f) }

// Build tells that a build has come further.
func (l *Live) Build(b watch.Build) { l.tell(BuildEvent, b) }

// listen makes a listener, which hears hello first, and then of all that changes since a sight
// of just now.
func (l *Live) listen(since *sight) (*listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) >= maxListeners || l.ended {
		return nil, errListeners
	}
	n := &listener{make(chan event, listenerQueue)}
	n.events <- event{HelloEvent, []byte("{}")}
	l.listeners[n] = true
	if l.seen == nil {
		l.seen = since
	}
	return n, nil
}

// leave ends a listener.
func (l *Live) leave(n *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(n)
}

func (l *Live) drop(n *listener) {
	if l.listeners[n] {
		delete(l.listeners, n)
		close(n.events)
	}
}

// tell tells all listeners. It waits for none: who has not taken what came before is dropped.
func (l *Live) tell(name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		l.log.Error("listeners are not told", "event", name, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.listeners {
		select {
		case n.events <- event{name, text}:
		default:
			l.drop(n)
		}
	}
}

// Run tells listeners until the context ends, and then ends them.
func (l *Live) Run(ctx context.Context) {
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			l.end()
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		if len(l.listeners) == 0 {
			l.seen = nil
		}
		before := l.seen
		changed := l.changed
		l.changed = map[string]bool{}
		l.mu.Unlock()
		if before == nil {
			continue
		}
		now := l.look()
		if now.versions == nil {
			now.versions = before.versions
		}
		l.tellReleases(before.versions, now.versions)
		l.tellRollouts(before.states, now.states)
		l.tellDevices(ctx, slices.Collect(maps.Keys(changed)))
		l.mu.Lock()
		l.seen = now
		l.mu.Unlock()
	}
}

// sight is what is looked at again and again, since nobody says that it has changed.
type sight struct {
	states   map[string]rollout.State
	versions map[string]string // nil if they cannot be read
}

func (l *Live) look() *sight {
	now := &sight{states: map[string]rollout.State{}}
	for _, s := range l.conductor.Rollouts() {
		now.states[s.Type] = s
	}
	if types, err := l.repository.Types(); err == nil {
		now.versions = map[string]string{}
		for _, deviceType := range types {
			now.versions[deviceType] = l.repository.NewestVersion(deviceType)
		}
	}
	return now
}

func (l *Live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for n := range l.listeners {
		l.drop(n)
	}
}

// tellReleases tells what was published.
func (l *Live) tellReleases(before, now map[string]string) {
	for deviceType, version := range now {
		if before == nil || before[deviceType] == version {
			continue
		}
		if v, err := l.repository.Newest(deviceType); err == nil {
			l.tell(ReleaseEvent, Published{deviceType, v.Version, v.Sequence})
		}
	}
}

// tellRollouts tells which roll-outs have changed.
func (l *Live) tellRollouts(before, now map[string]rollout.State) {
	for deviceType, s := range now {
		if !reflect.DeepEqual(before[deviceType], s) {
			l.tell(RolloutEvent, s)
		}
	}
}

// tellDevices tells what is known now of devices.
func (l *Live) tellDevices(ctx context.Context, ids []string) {
	switch {
	case len(ids) == 0:
		return
	case len(ids) > maxChanged:
		l.tell(HelloEvent, struct{}{})
		return
	}
	found, err := find(ctx, l.store, l.conductor, store.Query{IDs: ids})
	if err != nil {
		if ctx.Err() == nil {
			l.log.Error("listeners are not told of devices", "error", err)
		}
		l.Changed(ids...) // the next time
		return
	}
	known := map[string]bool{}
	for _, d := range found {
		known[d.ID] = true
		l.tell(DeviceEvent, d)
	}
	for _, id := range ids {
		if !known[id] {
			l.tell(RemovedEvent, Removed{id})
		}
	}
}
