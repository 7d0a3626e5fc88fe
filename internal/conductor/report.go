package conductor

import (
	"slices"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
)

// The errors of SPEC 7.2 that say nothing about the release: the device could not fetch it
// or store it this time, or it runs something newer.
var transient = []string{
	"unreachable", "http-status", "malformed-response", "malformed-version-file", "truncated", "flash", "no-memory", "boot-mode-latched", "not-newer",
}

// Report takes in what a device did. It must be called in the order of the changes.
func (k *Conductor) Report(c fleet.Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var update *fleet.UpdateStatus
	if slices.ContainsFunc(c.Events, func(e fleet.Event) bool { return e.Kind == fleet.UpdateEvent }) {
		update = c.Device.Update
	}
	k.report(c.Device, update)
}

// report takes in what is known of a device, and its update status if that is news.
func (k *Conductor) report(r fleet.Device, news *fleet.UpdateStatus) {
	now := k.config.Now()
	d := k.member(r.ID, r.Type()).Device
	d.Online = r.Status == fleet.Online
	d.Group, d.Tags = r.Group, r.Tags
	if r.Info == nil {
		k.put(d)
		return
	}
	d.Type = r.Type()
	d.Running, d.Sequence = r.Info.Version.ESPer, r.Info.Version.Sequence

	s := k.state(d.Type)
	var events []rollout.Event
	if r.CrashLooping(now) {
		s, d, events = rollout.Failed(s, d, d.Running, rollout.CrashLoop, now)
	} else if !r.Info.Boot.Trial {
		s, d = rollout.Confirmed(s, d, rollout.Release{Version: d.Running, Sequence: d.Sequence}, now)
	}
	if news != nil {
		var more []rollout.Event
		s, d, more = update(s, d, news, now)
		events = append(events, more...)
	}
	k.put(d)
	k.set(s, events)
}

// update takes in an update status (SPEC 7.2).
func update(s rollout.State, d rollout.Device, u *fleet.UpdateStatus, now time.Time) (rollout.State, rollout.Device, []rollout.Event) {
	switch u.State {
	case "downloading", "verifying", "trial":
		s, d = rollout.Taken(s, d, u.Version, now)
	case "rolled-back":
		return rollout.Failed(s, d, u.Version, rollout.RolledBack, now)
	case "failed":
		if !slices.Contains(transient, u.Error) {
			return rollout.Failed(s, d, u.Version, rollout.Refused, now)
		}
		s, d = rollout.Lapsed(s, d, u.Version, now)
	}
	return s, d, nil
}
