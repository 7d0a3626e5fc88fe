package conductor

import (
	"context"
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

func (k *Conductor) Pause(ctx context.Context, deviceType, by string) error {
	return k.act(ctx, deviceType, by, rollout.RolloutPaused, plain(rollout.Pause))
}
func (k *Conductor) Resume(ctx context.Context, deviceType, by string) error {
	return k.act(ctx, deviceType, by, rollout.RolloutResumed, plain(rollout.Resume))
}
func (k *Conductor) Abort(ctx context.Context, deviceType, by string) error {
	return k.act(ctx, deviceType, by, rollout.RolloutAborted, plain(rollout.Abort))
}
func (k *Conductor) Approve(ctx context.Context, deviceType, by string) error {
	return k.act(ctx, deviceType, by, rollout.StageApproved, rollout.Approve)
}
func (k *Conductor) Everywhere(ctx context.Context, deviceType, by string) error {
	return k.act(ctx, deviceType, by, rollout.SentEverywhere, rollout.Everywhere)
}

type action func(rollout.State, time.Time) (rollout.State, []rollout.Event, error)

func plain(f func(rollout.State) (rollout.State, error)) action {
	return func(s rollout.State, _ time.Time) (rollout.State, []rollout.Event, error) {
		s, err := f(s)
		return s, nil, err
	}
}

// act does something to the roll-out of a type.
func (k *Conductor) act(ctx context.Context, deviceType, by string, kind rollout.Kind, do action) error {
	return k.change(ctx, func() (rollout.State, rollout.Device, []rollout.Event, error) {
		now := k.config.Now()
		s := k.state(deviceType)
		if s.Release.Version == "" {
			return s, rollout.Device{}, nil, fmt.Errorf("%s: %w", deviceType, ErrNoType)
		}
		done := s.Event(kind, now)
		done.By = by
		s, events, err := do(s, now)
		if err != nil {
			return s, rollout.Device{}, nil, fmt.Errorf("%s %s: %w", deviceType, s.Release.Version, err)
		}
		return s, rollout.Device{}, append([]rollout.Event{done}, events...), nil
	})
}

// Pin lets a device have this version and no other; empty: no longer.
func (k *Conductor) Pin(ctx context.Context, id, version string) error {
	return k.changeDevice(ctx, id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		e, kept := k.published.Find(d.Type, version)
		switch {
		case version == "":
		case !kept:
			return s, d, fmt.Errorf("%s %s: %w", d.Type, version, ErrNoRelease)
		case d.AheadOf(rollout.Release{Version: e.Version, Sequence: e.Sequence}):
			return s, d, fmt.Errorf("%w: device %s runs %s, which is newer than %s, and devices never go back; "+
				"release what that holds again, as a new commit", rollout.ErrNotNow, id, d.Running, version)
		}
		d.Pin = version
		return s, d, nil
	})
}

// Hold lets a device stay as it is, or no longer. Of settings, a device can be held before it has
// reported any.
func (k *Conductor) Hold(ctx context.Context, id string, held bool) error {
	if k.config.Settings {
		k.mu.Lock()
		if _, known := k.devices[id]; !known && !held {
			k.mu.Unlock()
			return nil
		}
		k.member(id, "")
		k.mu.Unlock()
	}
	return k.changeDevice(ctx, id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		d.Held = held
		return s, d, nil
	})
}

// Retry lets a device that failed have the release again. It must be told on its own update
// topic after that, or it refuses what it has rolled back.
func (k *Conductor) Retry(ctx context.Context, id string) error {
	return k.changeDevice(ctx, id, func(s rollout.State, d rollout.Device) (rollout.State, rollout.Device, error) {
		return rollout.Retry(s, d, k.config.Now())
	})
}

// changeDevice changes a device.
func (k *Conductor) changeDevice(ctx context.Context, id string, do func(rollout.State, rollout.Device) (rollout.State, rollout.Device, error)) error {
	return k.change(ctx, func() (rollout.State, rollout.Device, []rollout.Event, error) {
		m, ok := k.devices[id]
		if !ok {
			return rollout.State{}, rollout.Device{}, nil, fmt.Errorf("device %s: %w", id, ErrNoDevice)
		}
		s, d, err := do(k.state(m.Type), m.Device)
		return s, d, nil, err
	})
}

// Remove forgets a device. The caller removes what is saved of it; if that fails, undo makes it known
// again as it was.
func (k *Conductor) Remove(id string) (undo func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, known := k.devices[id]
	delete(k.devices, id)
	delete(k.unsaved.devices, id)
	delete(k.unsaved.targets, id)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if known {
			k.devices[id] = m
			k.unsaved.devices[id], k.unsaved.targets[id] = true, true
		}
	}
}

// Answer is what a device would get if it asked now, and what is known of it.
type Answer struct {
	Device rollout.Device `json:"device"`
	rollout.Decision
	Explanation string `json:"explanation"`
}

// Current reports whether a device runs the release that its roll-out means it to run, for good:
// it does not try it out.
func (k *Conductor) Current(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok || m.Running == "" {
		return false
	}
	now := k.config.Now()
	s := k.state(m.Type)
	return rollout.Meant(s, m.Device, m.target.Release, now) == m.Running && k.decide(s, m.Device, now).Reason != rollout.InProgress
}

// Why returns what a device would get if it asked now.
func (k *Conductor) Why(id string) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok {
		return Answer{}, fmt.Errorf("device %s: %w", id, ErrNoDevice)
	}
	s := k.state(m.Type)
	told := k.decide(s, m.Device, k.config.Now())
	return Answer{m.Device, told, told.Reason.Explain(s.Release.Version)}, nil
}

// Due reports whether a device would get another version than it runs if it asked now. If only a
// limit of its stage keeps it from one, that is as it was before: limits open and close with each
// device that is done, and each time all the others would have to be told.
func (k *Conductor) Due(id string, before bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.devices[id]
	if !ok || m.Running == "" {
		return false
	}
	told := k.decide(k.state(m.Type), m.Device, k.config.Now())
	switch told.Reason {
	case rollout.RateLimited, rollout.TooManyAtOnce, rollout.OthersFirst:
		if before {
			return true
		}
	}
	return told.Release != m.Running && k.kept(m.Type, told.Release)
}

// Wanted returns the release that a device would get if it asked now; empty if that is not known, or
// not kept.
func (k *Conductor) Wanted(id string) string {
	answer, err := k.Why(id)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || !k.kept(answer.Device.Type, answer.Release) {
		return ""
	}
	return answer.Release
}
