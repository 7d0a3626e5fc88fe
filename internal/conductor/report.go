package conductor

import (
	"slices"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
)

// Report takes in what a device did. It must be called in the order of the changes.
func (k *Conductor) Report(c fleet.Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kind := k.subject.event()
	news := slices.ContainsFunc(c.Events, func(e fleet.Event) bool { return e.Kind == kind })
	k.reportLocked(c.Device, func(outcome) bool { return news })
}

// reportLocked takes in what is known of a device, and what came of a release if that is news.
func (k *Conductor) reportLocked(reported fleet.Device, news func(outcome) bool) {
	now := k.config.Now()
	r := k.subject.read(reported, now)
	if _, known := k.devices[reported.ID]; !known && !r.member {
		return
	}
	d := k.member(reported.ID, r.deviceType).Device
	d.Online = reported.Status == fleet.Online || reported.Status == fleet.Sleeping
	if reported.Info != nil {
		d.Slack = reported.SleepSlack()
	}
	d.Group, d.Tags = reported.Group, reported.Tags
	if !r.known {
		k.put(d)
		return
	}
	d.Type = r.deviceType
	d.Running, d.Sequence = r.running.Version, r.running.Sequence

	s := k.state(d.Type)
	var events []rollout.Event
	if r.failing {
		s, d, events = rollout.Failed(s, d, d.Running, rollout.CrashLoop, now)
	} else if !r.trial {
		s, d = rollout.Confirmed(s, d, r.running, now)
	}
	if r.outcome != nil && news(*r.outcome) {
		var more []rollout.Event
		s, d, more = k.took(s, d, *r.outcome, now)
		events = append(events, more...)
	}
	k.put(d)
	k.set(s, events)
}

// took takes in what came of a release: an update status (SPEC 7.2), or one of settings (12.5).
func (k *Conductor) took(s rollout.State, d rollout.Device, o outcome, now time.Time) (rollout.State, rollout.Device, []rollout.Event) {
	version := o.version
	if o.told {
		version = d.Last.Release
	}
	if k.config.Settings && version != s.Release.Version && version != d.Last.Release && !k.kept(s.Type, version) {
		return s, d, nil // it is about settings for this device alone
	}
	if k.config.Settings && version == d.Running {
		return s, d, nil // it has these settings, and could not read them once more
	}
	switch o.state {
	case "downloading", "verifying", "trial":
		s, d = rollout.Taken(s, d, version, now)
	case "rolled-back":
		return rollout.Failed(s, d, version, rollout.RolledBack, now)
	case "failed":
		if !k.subject.transient(o.err) {
			return rollout.Failed(s, d, version, rollout.Refused, now)
		}
		s, d = rollout.Lapsed(s, d, version, now)
	}
	return s, d, nil
}
