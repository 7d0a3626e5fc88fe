package conductor

import (
	"time"

	"esper/internal/repository"
	"esper/internal/rollout"
)

// Choose is the repository's [repository.Chooser]: the version that a device gets. It notes
// that the device was told of it, and if that counts in a roll-out, saves it first: a
// server that is killed does not forget a device that is at risk.
func (k *Conductor) Choose(q repository.Request) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Now()
	s := k.state(q.Type, now)
	if q.Device == "" {
		return rollout.General(s).Release
	}
	m := k.member(q.Device, q.Type)
	d := m.Device
	if q.Running != "" && q.Running != d.Running {
		d.Running, d.Sequence = q.Running, 0
	}
	told := rollout.Decide(s, d, now)
	if told.Release != "" && !k.config.Releases.Has(q.Type, told.Release) {
		told.Release = "" // pinned to what is gone, or running what is no longer kept
	}
	_, kept := k.devices[d.ID]
	first := kept && told.Release == s.Release.Version && (d.Last.Release != told.Release || d.Last.Number != s.Number)
	after, d := rollout.Offer(s, d, told, now)
	counts := after.Status == rollout.Running && after.AtRisk != s.AtRisk
	var events []rollout.Event
	if first && after.AtRisk != s.AtRisk {
		e := s.Event(rollout.DeviceOffered, now)
		e.Device = d.ID
		events = append(events, e)
	}
	if !counts {
		k.put(d)
		k.set(after, events)
		return told.Release // saved at the next tick
	}
	if err := k.settle(after, d, events); err != nil {
		k.config.Log.Error("a device is not told of a release", "device", q.Device, "release", told.Release, "error", err)
		if k.config.Releases.Has(q.Type, d.Running) {
			return d.Running // it stays as it is: it may run what is newer than what others get
		}
		return rollout.General(s).Release
	}
	return told.Release
}

// Seen notes that a device has asked for the image of a release. It is to be called after
// each request.
func (k *Conductor) Seen(q repository.Request) {
	if q.Device == "" || q.Wanted == "" || q.File == "version" || q.Status >= 400 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if m, ok := k.devices[q.Device]; ok {
		k.taken(m, q.Wanted, k.config.Now())
	}
}

func (k *Conductor) taken(m *member, version string, now time.Time) {
	s, d := rollout.Taken(k.state(m.Type, now), m.Device, version, now)
	k.put(d)
	k.set(s, nil)
}
