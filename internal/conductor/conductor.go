// Package conductor applies roll-outs to a live fleet: it hands what devices ask, what they
// report and what operators want to the functions of package rollout, and keeps and saves
// what these return.
package conductor

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"esper/internal/fleet"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/rollout"
)

// maxDevices bounds the devices that are kept. Anyone can make up ids.
const maxDevices = 100_000

// Releases is where releases are published; a repository is one.
type Releases interface {
	Types() ([]string, error)
	NewestVersion(deviceType string) string
	Newest(deviceType string) (release.VersionFile, error)
	Has(deviceType, version string) bool
	Keep(deviceType string, versions []string) error
	List() ([]repository.Entry, error)
}

// Config is how a conductor is set up.
type Config struct {
	Releases Releases
	Plan     func(deviceType string) rollout.Plan
	// Labels returns the group and tags of a device; nil: no device has any.
	Labels  func(id string) (group string, tags []string)
	Storage Storage
	// Now is the time, in the zone that maintenance windows are meant in.
	Now func() time.Time
	// Happened is told what happened, if it is not nil. It must not call the conductor.
	Happened func(rollout.Event)
	Log      *slog.Logger
}

// Conductor is the roll-outs of a fleet. Its methods can be called at the same time.
type Conductor struct {
	config Config

	mu      sync.Mutex
	states  map[string]rollout.State // by device type
	devices map[string]*member
	dirty   struct{ states, devices, targets map[string]bool } // what is to be saved
	events  []rollout.Event                                    // that are to be saved, too
	last    time.Time                                          // of the last event
}

// How much waits to be saved at most, and how many targets are saved at once.
const (
	maxEvents = 200_000
	maxMeant  = 5_000
)

// member is a device, and what is needed to read its reports.
type member struct {
	rollout.Device
	update *fleet.UpdateStatus // the last that was read
	target rollout.Target
	boots
}

// Open goes on where the storage says that the last conductor was.
func Open(c Config) (*Conductor, error) {
	saved, err := c.Storage.LoadRollouts(context.Background())
	if err != nil {
		return nil, err
	}
	k := &Conductor{config: c, states: map[string]rollout.State{}, devices: map[string]*member{}}
	k.dirty.states, k.dirty.devices, k.dirty.targets = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range saved.States { // the plan may have changed meanwhile
		k.states[s.Type], _ = rollout.Start(s, s.Type, s.Release, c.Plan(s.Type), c.Now())
	}
	for _, d := range saved.Devices {
		d.Asked = c.Now() // nobody could ask meanwhile: who was waited for still is
		k.devices[d.ID] = &member{Device: d}
	}
	for _, t := range saved.Targets {
		if m, ok := k.devices[t.Device]; ok {
			m.target = t
		}
	}
	return k, nil
}

// Tick lets time pass; it is to be called every few seconds. It finds what was published,
// lets roll-outs advance, and saves.
func (k *Conductor) Tick() error {
	types, err := k.config.Releases.Types()
	if err != nil {
		return err
	}
	if err := k.advance(types); err != nil {
		return err
	}
	return k.saveTargets()
}

func (k *Conductor) advance(types []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Now()
	fleet := map[string][]rollout.Device{}
	for _, m := range k.devices {
		k.label(m)
		fleet[m.Type] = append(fleet[m.Type], m.Device)
	}
	for _, deviceType := range types {
		s, changed, events := rollout.Advance(k.state(deviceType, now), fleet[deviceType], now)
		for _, d := range changed {
			k.put(d)
		}
		k.set(s, events)
		if err := k.keep(s, fleet[deviceType]); err != nil {
			k.config.Log.Error("releases that are needed may go", "type", deviceType, "error", err)
		}
	}
	for _, m := range k.devices {
		k.mean(m, now)
	}
	return k.save()
}

// mean notes which release a device is meant to run.
func (k *Conductor) mean(m *member, now time.Time) {
	meant := rollout.Meant(k.states[m.Type], m.Device, m.target.Release, now)
	if meant != m.target.Release {
		m.target = rollout.Target{Device: m.ID, Release: meant, Since: now}
		k.dirty.targets[m.ID] = true
	}
}

// saveTargets saves some of the targets that have changed. A new release changes those of
// all devices: that is spread over time, and nobody who asks has to wait for it.
func (k *Conductor) saveTargets() error {
	var changed rollout.Snapshot
	k.mu.Lock()
	for id := range k.dirty.targets {
		if len(changed.Targets) == maxMeant {
			break
		}
		changed.Targets = append(changed.Targets, k.devices[id].target)
		delete(k.dirty.targets, id)
	}
	k.mu.Unlock()
	if len(changed.Targets) == 0 {
		return nil
	}
	err := k.config.Storage.SaveRollouts(context.Background(), changed)
	if err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, t := range changed.Targets {
			if k.devices[t.Device] != nil { // not removed meanwhile
				k.dirty.targets[t.Device] = true
			}
		}
	}
	return err
}

// state is that of a device type, after a look at what is published.
func (k *Conductor) state(deviceType string, now time.Time) rollout.State {
	s := k.states[deviceType]
	newest := k.config.Releases.NewestVersion(deviceType)
	if newest == "" || newest == s.Release.Version {
		s.Type = deviceType
		return s
	}
	v, err := k.config.Releases.Newest(deviceType)
	if err != nil {
		k.config.Log.Error("what was published cannot be read", "type", deviceType, "error", err)
		return s
	}
	plan := k.config.Plan(deviceType)
	if s.General.Version == "" && len(plan.Stages) > 0 {
		s.General = k.before(deviceType, v)
	}
	s, events := rollout.Start(s, deviceType, rollout.Release{Version: v.Version, Sequence: v.Sequence}, plan, now)
	k.set(s, events)
	return s
}

// before is the release before the newest one, if it is kept: what is taken for generally
// available when nothing is known, since the database is new. The newest may have been
// stopped by failures.
func (k *Conductor) before(deviceType string, newest release.VersionFile) (r rollout.Release) {
	kept, err := k.config.Releases.List()
	if err != nil {
		k.config.Log.Error("the releases that are kept cannot be read", "error", err)
		return r
	}
	for _, e := range kept {
		if e.Type == deviceType && e.Sequence < newest.Sequence && (r.Version == "" || e.Sequence > r.Sequence) {
			r = rollout.Release{Version: e.Version, Sequence: e.Sequence}
		}
	}
	if r.Version != "" {
		k.config.Log.Warn("the database knows of no roll-out of what is published: it begins anew", "type", deviceType,
			"release", newest.Version, "generally_available", r.Version)
	}
	return r
}

// set notes a state and tells what happened. Of types that nothing was published for there is
// no state: a device can say to be of any.
func (k *Conductor) set(s rollout.State, events []rollout.Event) {
	if s.Release.Version == "" {
		return
	}
	if !reflect.DeepEqual(s, k.states[s.Type]) {
		k.states[s.Type] = s
		k.dirty.states[s.Type] = true
	}
	for _, e := range events {
		k.tell(k.note(e))
	}
}

// settle notes a state and a device, and has them saved before they hold: what could not be
// saved did not happen. The device may be none.
func (k *Conductor) settle(s rollout.State, d rollout.Device, events []rollout.Event) error {
	state, m, queued := k.states[s.Type], k.devices[d.ID], len(k.events)
	var device rollout.Device
	if m != nil {
		device = m.Device
	}
	k.set(s, nil)
	k.put(d)
	for i, e := range events {
		events[i] = k.note(e)
	}
	if err := k.save(); err != nil {
		k.set(state, nil)
		k.put(device)
		k.events = k.events[:queued]
		return err
	}
	for _, e := range events {
		k.tell(e)
	}
	return nil
}

// tell tells of an event.
func (k *Conductor) tell(e rollout.Event) {
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

// note keeps an event until it is saved. No two events have the same time, as that is stored.
func (k *Conductor) note(e rollout.Event) rollout.Event {
	if e.At = e.At.Truncate(time.Microsecond); !e.At.After(k.last) {
		e.At = k.last.Add(time.Microsecond)
	}
	k.last = e.At
	if len(k.events) < maxEvents {
		k.events = append(k.events, e)
	}
	return e
}

// put notes a device, if it is one that is kept. That it has asked is not worth saving.
func (k *Conductor) put(d rollout.Device) {
	m, ok := k.devices[d.ID]
	if !ok {
		return
	}
	m.Asked = d.Asked
	if !reflect.DeepEqual(m.Device, d) {
		m.Device = d
		k.dirty.devices[d.ID] = true
	}
}

// save saves what has changed.
func (k *Conductor) save() error {
	if len(k.dirty.states)+len(k.dirty.devices)+len(k.events) == 0 {
		return nil
	}
	changed := rollout.Snapshot{Events: k.events}
	for deviceType := range k.dirty.states {
		changed.States = append(changed.States, k.states[deviceType])
	}
	for id := range k.dirty.devices {
		changed.Devices = append(changed.Devices, k.devices[id].Device)
	}
	if err := k.config.Storage.SaveRollouts(context.Background(), changed); err != nil {
		return err
	}
	clear(k.dirty.states)
	clear(k.dirty.devices)
	k.events = nil
	return nil
}

// keep keeps the releases that a device may be told of in the repository: those that are
// meant for somebody, and those that run, for who is to stay on them.
func (k *Conductor) keep(s rollout.State, fleet []rollout.Device) error {
	needed := map[string]bool{s.General.Version: true, s.Release.Version: true}
	for _, d := range fleet {
		needed[d.Pin], needed[d.Running] = true, true
	}
	var versions []string
	for v := range needed {
		if k.config.Releases.Has(s.Type, v) {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	return k.config.Releases.Keep(s.Type, versions)
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
	k.label(m)
	return m
}

func (k *Conductor) label(m *member) {
	if k.config.Labels != nil {
		m.Group, m.Tags = k.config.Labels(m.ID)
	}
}
