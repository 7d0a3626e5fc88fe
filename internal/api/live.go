package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"esper/internal/fleet"
	"esper/internal/repository"
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
	SettingEvent = "setting"        // [SettingsOf] a device have changed
	BuildEvent   = "build"          // a [watch.Build] has changed
)

// Removed is a device that is known no more.
type Removed struct {
	ID string `json:"id"`
}

// SettingsOf names a device whose settings have changed.
type SettingsOf struct {
	Device string `json:"device"`
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

// Live tells listeners what changes. Those who change something only mark it, and never wait.
type Live struct {
	log *slog.Logger

	mu        sync.Mutex // guards the following fields
	listeners map[*listener]bool
	devices   map[string]bool // that have changed, by id
	rollouts  map[string]bool // that have changed, by device type
	published *repository.Published
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
func NewLive(log *slog.Logger) *Live {
	return &Live{
		log: log, listeners: map[*listener]bool{}, devices: map[string]bool{}, rollouts: map[string]bool{},
		published: &repository.Published{},
	}
}

// Changed is to be called when what is stored of devices has changed.
func (l *Live) Changed(ids ...string) { l.mark(l.devices, ids) }

// Rollout is to be called when the roll-out of a device type has changed.
func (l *Live) Rollout(deviceType string) { l.mark(l.rollouts, []string{deviceType}) }

func (l *Live) mark(as map[string]bool, names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) == 0 {
		return
	}
	for _, name := range names {
		as[name] = true
	}
}

// Published tells which releases are new.
func (l *Live) Published(p *repository.Published) {
	l.mu.Lock()
	before := l.published
	l.published = p
	l.mu.Unlock()
	for _, deviceType := range p.Types() {
		newest, _ := p.Newest(deviceType)
		if known, _ := before.Newest(deviceType); known.Version != newest.Version {
			l.tell(ReleaseEvent, Published{deviceType, newest.Version, newest.Sequence})
		}
	}
}

// Feature tells that a feature has another state. Its attributes are left out: they change seldom.
func (l *Live) Feature(f fleet.Feature) {
	f.Attributes = fleet.Attributes{}
	l.tell(FeatureEvent, f)
}

// Setting tells that the settings of a device have changed.
func (l *Live) Setting(id string) { l.tell(SettingEvent, SettingsOf{id}) }

// Build tells that a build has come further.
func (l *Live) Build(b watch.Build) { l.tell(BuildEvent, b) }

// listen makes a listener, which hears hello first, and then of all that changes.
func (l *Live) listen() (*listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) >= maxListeners || l.ended {
		return nil, errListeners
	}
	n := &listener{make(chan event, listenerQueue)}
	n.events <- event{HelloEvent, []byte("{}")}
	l.listeners[n] = true
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

// Run tells listeners until the context ends, and then ends them. What has changed comes from a
// configuration's store and conductor.
func (l *Live) Run(ctx context.Context, c Config) {
	defer l.end()
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		devices, rollouts := slices.Collect(maps.Keys(l.devices)), maps.Clone(l.rollouts)
		clear(l.devices)
		clear(l.rollouts)
		l.mu.Unlock()
		if len(rollouts) > 0 {
			for _, s := range c.rollouts() {
				if rollouts[s.Type] {
					l.tell(RolloutEvent, s)
				}
			}
		}
		l.tellDevices(ctx, c, devices)
	}
}

func (l *Live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for n := range l.listeners {
		l.drop(n)
	}
}

// tellDevices tells what is known now of devices.
func (l *Live) tellDevices(ctx context.Context, c Config, ids []string) {
	switch {
	case len(ids) == 0:
		return
	case len(ids) > maxChanged:
		l.tell(HelloEvent, struct{}{})
		return
	}
	found, err := c.find(ctx, store.Query{IDs: ids})
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
