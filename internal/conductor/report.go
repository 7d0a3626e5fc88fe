package conductor

import (
	"slices"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
)

// The errors of SPEC 7.2 that say nothing about the release: the device could not fetch it
// or store it this time.
var transient = []string{"unreachable", "http-status", "malformed-response", "malformed-version-file", "truncated", "flash", "no-memory"}

// Report takes in what is known of a device after each message of it.
func (k *Conductor) Report(r fleet.Device) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Now()
	m := k.member(r.ID, r.Type())
	d := m.Device
	d.Online = r.Status == fleet.Online
	if r.Info == nil {
		k.put(d)
		return
	}
	d.Type = r.Type()
	d.Running, d.Sequence = r.Info.Version.ESPer, r.Info.Version.Sequence

	s := k.state(d.Type, now)
	var events []rollout.Event
	if m.boots.loop(r.Info, now) {
		s, d, events = rollout.Failed(s, d, d.Running, rollout.CrashLoop, now)
	} else if !r.Info.Boot.Trial {
		s, d = rollout.Confirmed(s, d, rollout.Release{Version: d.Running, Sequence: d.Sequence}, now)
	}
	if u := r.Update; u != nil && u != m.update { // a message is read once: it may be long past later
		m.update = u
		var more []rollout.Event
		s, d, more = update(s, d, u, now)
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

// boots finds crash loops.
type boots struct {
	uptime  uint64
	crashes []time.Time
}

// loop says whether the device is in a crash loop, after an info of it.
func (b *boots) loop(i *fleet.Info, now time.Time) bool {
	restarted := i.Uptime < b.uptime
	b.uptime = i.Uptime
	if i.Boot.Safe { // the device says so itself
		return true
	}
	if !restarted || !slices.Contains([]string{"exception", "hardware-watchdog", "software-watchdog"}, i.Boot.Reset) {
		return false
	}
	b.crashes = append(b.crashes, now)
	if len(b.crashes) > fleet.CrashLoop {
		b.crashes = b.crashes[1:]
	}
	return len(b.crashes) == fleet.CrashLoop && now.Sub(b.crashes[0]) < fleet.CrashLoopTime
}
