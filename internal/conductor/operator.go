package conductor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"esper/internal/rollout"
)

// What an operator may name that there is not. Errors wrap one of them.
var (
	ErrNoType    = errors.New("nothing is published for this device type")
	ErrNoDevice  = errors.New("no such device")
	ErrNoRelease = errors.New("no such release is kept")
)

// Rollouts returns how far the releases of each device type have come, sorted by type.
func (k *Conductor) Rollouts() []rollout.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []rollout.State
	for _, s := range k.states {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b rollout.State) int { return strings.Compare(a.Type, b.Type) })
	return all
}

// Pause, Resume, Abort, Approve and Everywhere do to the roll-out of a device type what the
// functions of these names in package rollout do. By is who wants it, for the history; empty:
// that is not known.

func (k *Conductor) Pause(deviceType, by string) error {
	return k.act(deviceType, by, rollout.RolloutPaused, plain(rollout.Pause))
}
func (k *Conductor) Resume(deviceType, by string) error {
	return k.act(deviceType, by, rollout.RolloutResumed, plain(rollout.Resume))
}
func (k *Conductor) Abort(deviceType, by string) error {
	return k.act(deviceType, by, rollout.RolloutAborted, plain(rollout.Abort))
}
func (k *Conductor) Approve(deviceType, by string) error {
	return k.act(deviceType, by, rollout.StageApproved, rollout.Approve)
}
func (k *Conductor) Everywhere(deviceType, by string) error {
	return k.act(deviceType, by, rollout.SentEverywhere, rollout.Everywhere)
}

type action func(rollout.State, time.Time) (rollout.State, []rollout.Event, error)

func plain(f func(rollout.State) (rollout.State, error)) action {
	return func(s rollout.State, _ time.Time) (rollout.State, []rollout.Event, error) {
		s, err := f(s)
		return s, nil, err
	}
}

// act does something to the roll-out of a type, and has it saved when it returns.
func (k *Conductor) act(deviceType, by string, kind rollout.Kind, do action) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Now()
	s := k.state(deviceType, now)
	if s.Release.Version == "" {
		return fmt.Errorf("%s: %w", deviceType, ErrNoType)
	}
	done := s.Event(kind, now)
	done.By = by
	s, events, err := do(s, now)
	if err != nil {
		return fmt.Errorf("%s %s: %w", deviceType, s.Release.Version, err)
	}
	return k.settle(s, rollout.Device{}, append([]rollout.Event{done}, events...))
}

// Pin lets a device have this version and no other; empty: no longer.
func (k *Conductor) Pin(id, version string) error {
	return k.change(id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		if version != "" && !k.config.Releases.Has(d.Type, version) {
			return s, d, fmt.Errorf("%s %s: %w", d.Type, version, ErrNoRelease)
		}
		d.Pin = version
		return s, d, nil
	})
}

// Hold lets a device stay as it is, or no longer.
func (k *Conductor) Hold(id string, held bool) error {
	return k.change(id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		d.Held = held
		return s, d, nil
	})
}

// Retry lets a device that failed have the release again. It must be told on its own update
// topic after that, or it refuses what it has rolled back.
func (k *Conductor) Retry(id string) error {
	return k.change(id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		return rollout.Retry(s, d, k.config.Now())
	})
}

// Remove forgets a device. What is saved of it is for the caller to remove; if that fails, undo
// makes it known again as it was.
func (k *Conductor) Remove(id string) (undo func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, known := k.devices[id]
	delete(k.devices, id)
	delete(k.dirty.devices, id)
	delete(k.dirty.targets, id)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if known {
			k.devices[id] = m
			k.dirty.devices[id], k.dirty.targets[id] = true, true
		}
	}
}

// change changes a device, and has it saved when it returns.
func (k *Conductor) change(id string, do func(rollout.State, rollout.Device) (rollout.State, rollout.Device, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok {
		return fmt.Errorf("device %s: %w", id, ErrNoDevice)
	}
	s, d, err := do(k.state(m.Type, k.config.Now()), m.Device)
	if err != nil {
		return err
	}
	return k.settle(s, d, nil)
}

// Answer is what a device would get if it asked now, and what is known of it.
type Answer struct {
	Device rollout.Device `json:"device"`
	rollout.Decision
	Explanation string `json:"explanation"`
}

// Current says whether a device runs the release that its roll-out means it to run, for good:
// it does not try it out.
func (k *Conductor) Current(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok || m.Running == "" {
		return false
	}
	k.label(m)
	now := k.config.Now()
	s := k.state(m.Type, now)
	return rollout.Meant(s, m.Device, m.target.Release, now) == m.Running && rollout.Decide(s, m.Device, now).Reason != rollout.InProgress
}

// Why says what a device would get if it asked now.
func (k *Conductor) Why(id string) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok {
		return Answer{}, fmt.Errorf("device %s: %w", id, ErrNoDevice)
	}
	k.label(m)
	now := k.config.Now()
	told := rollout.Decide(k.state(m.Type, now), m.Device, now)
	return Answer{m.Device, told, told.Reason.Explanation()}, nil
}
