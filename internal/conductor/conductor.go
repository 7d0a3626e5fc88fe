// Package conductor applies roll-outs to a live fleet: it hands what is published, what devices ask,
// what they did and what operators want to the functions of package rollout, and keeps and saves what
// these return.
//
// It decides in memory. No lock is held while the storage or the repository is asked, so devices are
// answered whatever these do; see save.go for what has to be saved before it holds.
package conductor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/settings"
)

// maxDevices bounds the devices that are kept. Anyone can make up ids.
const maxDevices = 100_000

// maxGap is the longest time between two ticks that counts. A longer one was not watched: the server
// did not run, did not hear the devices, or its clock was set.
const maxGap = time.Minute

// Config is how a conductor is set up.
type Config struct {
	Plan func(deviceType string) rollout.Plan
	// Settings says that settings are rolled out and not firmware: types are named <type>.settings
	// then, and versions are sequences. Plan gets the name without that end.
	Settings bool
	// Devices are what the inventory knew of the devices when the last server ended.
	Devices []fleet.Device
	Storage Storage
	// Keep lets releases of a device type stay in the repository.
	Keep func(deviceType string, versions []string) error
	// Now is the time, in the zone that maintenance windows are meant in.
	Now func() time.Time
	// Happened is told what happened, and Changed of which type the roll-out changed, if they are not
	// nil. They must not block, nor call the conductor.
	Happened func(rollout.Event)
	Changed  func(deviceType string)
	Log      *slog.Logger
}

// Conductor is the roll-outs of a fleet. Its methods can be called at the same time.
type Conductor struct {
	config  Config
	subject subject
	saving  chan struct{} // holds an element while the storage is asked; taken before mu

	mu        sync.Mutex // guards the following fields
	published *repository.Published
	states    map[string]rollout.State // by device type
	devices   map[string]*member
	unsaved   unsaved
	failing   bool      // what was to be saved last is not
	last      time.Time // of the last event
	ticked    time.Time // when time passed last
}

// member is a device.
type member struct {
	rollout.Device
	target  rollout.Target
	changes int // of the device
	saved   int // the changes that are saved
}

// Open goes on where the storage says that the last conductor was.
func Open(c Config) (*Conductor, error) {
	saved, err := c.Storage.LoadRollouts(context.Background())
	if err != nil {
		return nil, err
	}
	k := &Conductor{
		config: c, subject: firmware{}, saving: make(chan struct{}, 1), published: &repository.Published{},
		states: map[string]rollout.State{}, devices: map[string]*member{}, unsaved: newUnsaved(),
	}
	if c.Settings {
		k.subject = settingsOf{}
		k.config.Plan = func(name string) rollout.Plan { return c.Plan(strings.TrimSuffix(name, settings.Suffix)) }
	}
	for _, s := range saved.States { // the plan may have changed meanwhile
		k.states[s.Type], _ = rollout.Start(s, s.Type, s.Release, k.config.Plan(s.Type), c.Now())
	}
	for _, d := range saved.Devices {
		d.Asked = c.Now() // that is not saved: a stage still waits for those that it waited for
		k.devices[d.ID] = &member{Device: d}
	}
	for _, t := range saved.Targets {
		if m, ok := k.devices[t.Device]; ok {
			m.target = t
		}
	}
	for _, d := range c.Devices {
		// The last server may have died before it saved what came of an update.
		k.reportLocked(d, func(o outcome) bool { return !o.told })
	}
	return k, nil
}

// Published takes in what is published. A release that is new begins its roll-out.
func (k *Conductor) Published(p *repository.Published) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.published = p
	now := k.config.Now()
	for _, deviceType := range p.Types() {
		newest, _ := p.Newest(deviceType)
		s := k.state(deviceType)
		if newest.Version == s.Release.Version {
			continue
		}
		plan := k.config.Plan(deviceType)
		if s.General.Version == "" && len(plan.Stages) > 0 {
			if s.General = k.before(newest); s.General.Version == "" {
				s.General = k.subject.none()
			}
		}
		s, events := rollout.Start(s, deviceType, rollout.Release{Version: newest.Version, Sequence: newest.Sequence}, plan, now)
		k.set(s, events)
	}
}

// before returns the release before the newest one, if it is kept: what is taken for generally
// available when nothing is known, since the database is new. The newest may have been
// stopped by failures.
func (k *Conductor) before(newest repository.Entry) (r rollout.Release) {
	for _, e := range k.published.Entries() {
		if e.Type == newest.Type && e.Sequence < newest.Sequence && (r.Version == "" || e.Sequence > r.Sequence) {
			r = rollout.Release{Version: e.Version, Sequence: e.Sequence}
		}
	}
	if r.Version != "" {
		k.config.Log.Warn("the database knows of no roll-out of what is published: it begins anew", "type", newest.Type,
			"release", newest.Version, "generally_available", r.Version)
	}
	return r
}

// Tick lets time pass: it is to be called every few seconds. Roll-outs advance, and what has changed is
// saved. Heard says whether the devices are heard; while they are not, time passes for nobody.
func (k *Conductor) Tick(ctx context.Context, heard bool) error {
	var problems []error
	if heard {
		for deviceType, versions := range k.advance() {
			if err := k.config.Keep(deviceType, versions); err != nil {
				problems = append(problems, fmt.Errorf("releases of %s that are needed may go: %w", deviceType, err))
			}
		}
	}
	problems = append(problems, k.save(ctx, maxTargets))
	return errors.Join(problems...)
}

// advance lets time pass, and returns which releases are needed.
func (k *Conductor) advance() (needed map[string][]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Now()
	fleet := map[string][]rollout.Device{}
	for _, m := range k.devices {
		fleet[m.Type] = append(fleet[m.Type], m.Device)
	}
	needed = map[string][]string{}
	for deviceType, s := range k.states {
		devices := fleet[deviceType]
		if gap, skip := k.unwatched(s, now); skip {
			s, devices = rollout.Skip(s, devices, gap, now)
			for _, d := range devices {
				k.put(d)
				k.skipTarget(k.devices[d.ID], gap)
			}
		}
		s, changed, events := rollout.Advance(s, devices, now)
		for _, d := range changed {
			k.put(d)
		}
		if now.Sub(s.Watched).Abs() > maxGap/2 && (s.Status == rollout.Running || s.AtRisk > 0) {
			s.Watched = now // not each time, as it is saved
		}
		k.set(s, events)
		needed[deviceType] = k.needed(s, devices)
	}
	for _, m := range k.devices {
		meant := rollout.Meant(k.states[m.Type], m.Device, m.target.Release, now)
		if meant != m.target.Release {
			m.target = rollout.Target{Device: m.ID, Release: meant, Since: now.Add(m.Slack)}
			k.unsaved.targets[m.ID] = true
		}
	}
	k.ticked = now
	return needed
}

// unwatched returns for how long nobody has watched a roll-out, and whether it is to be skipped. That
// goes by the clock on the wall, as what is noted does.
func (k *Conductor) unwatched(s rollout.State, now time.Time) (gap time.Duration, skip bool) {
	since := k.ticked
	if since.IsZero() {
		if since = s.Watched; since.IsZero() {
			return 0, true
		}
	}
	gap = now.Round(0).Sub(since.Round(0))
	if gap.Abs() <= maxGap {
		return 0, k.ticked.IsZero()
	}
	return gap, true
}

// skipTarget lets a device that does not run what it is meant to lag no longer for a time that nobody
// watched: it could not fetch it.
func (k *Conductor) skipTarget(m *member, gap time.Duration) {
	if m.target.Release != "" && m.target.Release != m.Running {
		m.target.Since = m.target.Since.Add(gap)
		k.unsaved.targets[m.ID] = true
	}
}

// maxRunning bounds the releases that stay in the repository because devices run them.
const maxRunning = 64

// needed returns the releases that a device may be told of: those that are meant for somebody, and
// those that run, for those that are to stay on them. From those that run, a release that is published
// has deltas, too. Devices can say to run anything, so of these there are as many as are sensible, those
// of the most devices.
func (k *Conductor) needed(s rollout.State, fleet []rollout.Device) []string {
	needed, running := map[string]bool{}, map[string]int{}
	need := func(version string) bool {
		_, kept := k.published.Find(s.Type, version)
		if kept {
			needed[version] = true
		}
		return kept
	}
	need(s.General.Version)
	need(s.Release.Version)
	for _, d := range fleet {
		need(d.Pin)
		running[d.Running]++
	}
	most := slices.SortedFunc(maps.Keys(running), func(a, b string) int {
		return cmp.Or(cmp.Compare(running[b], running[a]), cmp.Compare(a, b))
	})
	n := 0
	for _, version := range most {
		if n < maxRunning && need(version) {
			n++
		}
	}
	return slices.Sorted(maps.Keys(needed))
}

// state returns the roll-out of a device type.
func (k *Conductor) state(deviceType string) rollout.State {
	s := k.states[deviceType]
	s.Type = deviceType
	return s
}

// set keeps a state, and announces what happened. Of types that nothing was published for there is
// no state: a device can say to be of any.
func (k *Conductor) set(s rollout.State, events []rollout.Event) {
	if s.Release.Version == "" {
		return
	}
	if before := k.states[s.Type]; !reflect.DeepEqual(s, before) {
		k.states[s.Type] = s
		k.unsaved.states[s.Type] = true
		if before.Watched = s.Watched; k.config.Changed != nil && !reflect.DeepEqual(s, before) {
			k.config.Changed(s.Type)
		}
	}
	for i := range events {
		k.stamp(&events[i])
		k.unsaved.add(events[i])
		k.publishEvent(events[i])
	}
}

// put keeps a device, if it is one that is kept. That it has asked is not worth saving.
func (k *Conductor) put(d rollout.Device) {
	m, ok := k.devices[d.ID]
	if !ok {
		return
	}
	m.Asked = d.Asked
	if !reflect.DeepEqual(m.Device, d) {
		m.Device = d
		m.changes++
		k.unsaved.devices[d.ID] = true
	}
}

// member returns a device, and makes it known if need be.
func (k *Conductor) member(id, deviceType string) *member {
	m, ok := k.devices[id]
	if !ok {
		m = &member{Device: rollout.Device{ID: id, Type: deviceType}}
		if len(k.devices) < maxDevices {
			k.devices[id] = m
		}
	}
	return m
}

// stamp gives an event its time. No two events have the same, as that is stored.
func (k *Conductor) stamp(e *rollout.Event) {
	if e.At = e.At.Truncate(time.Microsecond); !e.At.After(k.last) {
		e.At = k.last.Add(time.Microsecond)
	}
	k.last = e.At
}

// publishEvent logs an event and passes it on.
func (k *Conductor) publishEvent(e rollout.Event) {
	level := slog.LevelInfo
	if e.Kind == rollout.DeviceOffered {
		level = slog.LevelDebug
	}
	known := []any{"type", e.Type, "release", e.Release}
	if e.Kind.OfStage() {
		known = append(known, "stage", e.Stage+1) // as people count, and the commands
	}
	for _, a := range [][2]string{{"device", e.Device}, {"failure", string(e.Failure)}, {"by", e.By}} {
		if a[1] != "" {
			known = append(known, a[0], a[1])
		}
	}
	k.config.Log.Log(context.Background(), level, "roll-out: "+string(e.Kind), known...)
	if k.config.Happened != nil {
		k.config.Happened(e)
	}
}
