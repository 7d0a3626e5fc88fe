package conductor

import (
	"context"
	"time"

	"esper/internal/repository"
	"esper/internal/rollout"
)

// Choose is the repository's [repository.Chooser]: it returns the version that a device gets, and keeps
// that the device was told of it. If that counts in a roll-out, it is saved first: a server that is
// killed does not forget a device that is at risk. If it cannot be saved, the device stays as it is.
func (k *Conductor) Choose(q repository.Request) string {
	q = k.subject.request(q)
	k.mu.Lock()
	now := k.config.Now()
	s := k.state(q.Type)
	if q.Device == "" {
		k.mu.Unlock()
		return rollout.General(s).Release
	}
	m := k.member(q.Device, q.Type)
	d := m.Device
	if q.Running != "" && q.Running != d.Running {
		d.Running, d.Sequence = q.Running, k.subject.sequence(k.published, q.Type, q.Running)
	}
	told := k.decide(s, d, now)
	if !k.kept(q.Type, told.Release) {
		told.Release = "" // pinned to what is gone, or running what is no longer kept
	}
	_, kept := k.devices[d.ID]
	first := kept && told.Release == s.Release.Version && (d.Last.Release != told.Release || d.Last.Number != s.Number)
	after, d := rollout.Offer(s, d, told, now)
	var events []rollout.Event
	if first && after.AtRisk != s.AtRisk {
		e := s.Event(rollout.DeviceOffered, now)
		e.Device = d.ID
		events = append(events, e)
	}
	k.put(d)
	k.set(after, events)
	counts := kept && after.Status == rollout.Running && told.Release == after.Release.Version && told.Release != d.Running
	wait, failing := counts && m.saved != m.changes, k.failing
	k.mu.Unlock()
	if !wait {
		return told.Release
	}
	if !failing { // else the next tick tries again, and nobody waits
		err := k.save(context.Background(), 0)
		if err == nil {
			return told.Release
		}
		k.config.Log.Error("a device is not told of a release", "device", q.Device, "release", told.Release, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept(q.Type, d.Running) {
		return d.Running // it may run what is newer than what others get
	}
	return rollout.General(k.state(q.Type)).Release
}

// decide decides what a device gets, with what is known of the release that it is pinned to.
func (k *Conductor) decide(s rollout.State, d rollout.Device, now time.Time) rollout.Decision {
	told := rollout.Decide(s, d, now)
	if e, kept := k.published.Find(s.Type, told.Release); kept && told.Reason == rollout.IsPinned &&
		d.AheadOf(rollout.Release{Version: e.Version, Sequence: e.Sequence}) {
		return rollout.Decision{Release: d.Running, Reason: rollout.IsPinned} // it would refuse it
	}
	return told
}

func (k *Conductor) kept(deviceType, version string) bool {
	_, kept := k.published.Find(deviceType, version)
	return kept
}

// Seen takes in that a device has asked for the image of a release, or for a delta that makes it, or has
// got settings. It is to be called after each request.
func (k *Conductor) Seen(q repository.Request) {
	version := k.subject.taken(q)
	if q.Device == "" || version == "" || q.Status >= 400 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if m, ok := k.devices[q.Device]; ok {
		s, d := rollout.Taken(k.state(m.Type), m.Device, version, k.config.Now())
		k.put(d)
		k.set(s, nil)
	}
}
