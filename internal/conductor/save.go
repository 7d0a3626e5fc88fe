package conductor

import (
	"context"
	"fmt"
	"time"

	"esper/internal/rollout"
)

// What is saved, and when.
//
// Everything is saved at the next tick. An offer that counts in a roll-out is saved before the device
// hears of it, and what a person does is saved before it holds. One goroutine saves at a time, all that
// has changed in one transaction, so that many who wait for it wait for few of them.

// Storage is where roll-outs are kept between runs. A store.Store is one.
type Storage interface {
	// LoadRollouts returns all that was saved, but for the events.
	LoadRollouts(context.Context) (rollout.Snapshot, error)
	// SaveRollouts saves what has changed, all of it or nothing: it replaces what is of the
	// same type or device, and adds the events. When it returns, it is kept whatever happens
	// to the process.
	SaveRollouts(context.Context, rollout.Snapshot) error
}

const (
	// saveTimeout is how long a device or a person waits for something to be saved.
	saveTimeout = 3 * time.Second
	// maxEvents is how many events wait to be saved, and maxTargets how many targets are saved at once:
	// a new release changes those of all devices.
	maxEvents  = 200_000
	maxTargets = 5_000
)

// errSlow is returned when the storage is busy with what came before.
var errSlow = fmt.Errorf("the database does not answer in time: %w", context.DeadlineExceeded)

// unsaved is what is to be saved: which states, devices and targets, and the events themselves.
type unsaved struct {
	states, devices, targets map[string]bool
	events                   []rollout.Event
}

func newUnsaved() unsaved {
	return unsaved{states: map[string]bool{}, devices: map[string]bool{}, targets: map[string]bool{}}
}

func (u *unsaved) add(e rollout.Event) {
	if len(u.events) < maxEvents {
		u.events = append(u.events, e)
	}
}

// save saves what has changed, with some of the targets. When it returns nil, all else that had changed
// before is saved.
func (k *Conductor) save(ctx context.Context, targets int) error {
	return k.saveWith(ctx, targets, func(*rollout.Snapshot) error { return nil })
}

// saveWith saves what has changed, and what more adds to it in the same transaction.
func (k *Conductor) saveWith(ctx context.Context, targets int, more func(*rollout.Snapshot) error) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	select {
	case k.saving <- struct{}{}:
		defer func() { <-k.saving }()
	case <-ctx.Done():
		return errSlow
	}
	k.mu.Lock()
	batch, taken := k.takeLocked(targets)
	err := more(&batch)
	k.mu.Unlock()
	if err == nil && len(batch.States)+len(batch.Devices)+len(batch.Targets)+len(batch.Events) > 0 {
		err = k.config.Storage.SaveRollouts(ctx, batch)
		k.mu.Lock()
		k.failing = err != nil
	} else {
		k.mu.Lock()
	}
	defer k.mu.Unlock()
	if err != nil {
		k.putBackLocked(taken)
		return err
	}
	for _, d := range batch.Devices {
		if m := k.devices[d.ID]; m != nil {
			m.saved = max(m.saved, taken.changes[d.ID])
		}
	}
	return nil
}

// taken is what is being saved.
type taken struct {
	unsaved
	changes map[string]int // of each device
}

// takeLocked takes what is to be saved out of what is unsaved.
func (k *Conductor) takeLocked(targets int) (rollout.Snapshot, taken) {
	t := taken{unsaved: newUnsaved(), changes: map[string]int{}}
	t.states, t.devices, t.events = k.unsaved.states, k.unsaved.devices, k.unsaved.events
	batch := rollout.Snapshot{Events: t.events}
	for deviceType := range t.states {
		batch.States = append(batch.States, k.states[deviceType])
	}
	for id := range t.devices {
		batch.Devices = append(batch.Devices, k.devices[id].Device)
		t.changes[id] = k.devices[id].changes
	}
	for id := range k.unsaved.targets {
		if len(batch.Targets) == targets {
			break
		}
		batch.Targets = append(batch.Targets, k.devices[id].target)
		t.targets[id] = true
		delete(k.unsaved.targets, id)
	}
	rest := k.unsaved.targets
	k.unsaved = newUnsaved()
	k.unsaved.targets = rest
	return batch, t
}

// putBackLocked makes unsaved again what was taken, but for what was removed meanwhile.
func (k *Conductor) putBackLocked(t taken) {
	for deviceType := range t.states {
		k.unsaved.states[deviceType] = true
	}
	for id := range t.devices {
		if k.devices[id] != nil {
			k.unsaved.devices[id] = true
		}
	}
	for id := range t.targets {
		if k.devices[id] != nil {
			k.unsaved.targets[id] = true
		}
	}
	k.unsaved.events = append(t.events, k.unsaved.events...)
}

// change does what a person wants, if it can be saved: an error means that it does not hold. Do
// returns the state and the device, which may be none, as they are afterwards, and what happened. It
// is called again when it is saved, for devices may have reported meanwhile.
func (k *Conductor) change(ctx context.Context, do func() (rollout.State, rollout.Device, []rollout.Event, error)) error {
	var events []rollout.Event
	var deviceType, id string
	err := k.saveWith(ctx, 0, func(batch *rollout.Snapshot) error {
		s, d, happened, err := do()
		if err != nil {
			return err
		}
		deviceType, id, events = s.Type, d.ID, happened
		for i := range events {
			k.stamp(&events[i])
		}
		if s.Release.Version != "" {
			batch.States = replace(batch.States, s, func(s rollout.State) string { return s.Type })
		}
		if d.ID != "" {
			batch.Devices = replace(batch.Devices, d, func(d rollout.Device) string { return d.ID })
		}
		batch.Events = append(batch.Events[:len(batch.Events):len(batch.Events)], events...)
		return nil
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		var s rollout.State
		var d rollout.Device
		if s, d, _, err = do(); err == nil {
			k.set(s, nil)
			k.put(d)
			for _, e := range events {
				k.publishEvent(e)
			}
			return nil
		}
	}
	// Nobody may know what the storage holds now: it gets what holds.
	if _, ok := k.states[deviceType]; ok {
		k.unsaved.states[deviceType] = true
	}
	if _, ok := k.devices[id]; ok {
		k.unsaved.devices[id] = true
	}
	return err
}

// replace puts an element in the place of the one with the same key, or at the end.
func replace[T any](all []T, e T, key func(T) string) []T {
	for i := range all {
		if key(all[i]) == key(e) {
			all[i] = e
			return all
		}
	}
	return append(all, e)
}
