package fleet

import (
	"slices"
	"strconv"
	"time"
)

// Event is one thing that happened to a device and that its history keeps.
type Event struct {
	Device string `json:"device"`
	// At is when it became known, in whole microseconds, UTC. No two events of one
	// kind of one device have the same time.
	At time.Time `json:"at"`
	// Late says that it had happened before At: it was learnt from what the broker
	// had kept.
	Late   bool   `json:"late,omitempty"`
	Kind   Kind   `json:"kind"`
	Before string `json:"before,omitempty"` // empty: was not known
	After  string `json:"after"`
	// Of an update, or of settings: what it was about (the sequence, of settings), what was wrong, if anything, and the bytes that had come
	// in it by then, nil if the device did not say.
	Version  string  `json:"version,omitempty"`
	Error    string  `json:"error,omitempty"`
	Received *uint32 `json:"received,omitempty"`
}

// Kind is what an event is about. What Before and After are depends on it.
type Kind string

// The kinds of events.
const (
	PresenceEvent Kind = "presence" // Online, Offline, Sleeping or Silent; not each wake
	TypeEvent     Kind = "type"     // the device type
	VersionEvent  Kind = "version"  // the version that runs
	SlotEvent     Kind = "slot"     // the slot that runs: 0 or 1
	UpdateEvent   Kind = "update"   // the state of the update
	SettingsEvent Kind = "settings" // the state of the settings
	RestartEvent  Kind = "restart"  // only After: the reset reason
)

// Change is what one message changed.
type Change struct {
	Device Device // as it is now; nothing but its ID if it is forgotten
	Events []Event
}

// Abnormal are the reset reasons of firmware that crashed or hung.
var Abnormal = []string{"exception", "hardware-watchdog", "software-watchdog"}

// deepSleep is the reset reason of a device that has slept. That is no restart that
// anyone would ask for: a sensor does it all day.
const deepSleep = "deep-sleep"

// The least difference between the uptime that a device has and the one that it
// would have had without a restart. A message can be late on a bad link, but
// hardly the one right after a new connection.
const (
	restartSlack    = 30 * time.Second
	restartSlackNew = 3 * time.Second
)

// onlineBehind is how long after its info a device says Online at the latest, in the same connection.
const onlineBehind = 10 * time.Second

// events compares what was known of a device with what is known now. What is no
// longer known is no event: nothing happened to the device.
func events(old, d Device) []Event {
	var found []Event
	note := func(kind Kind, before, after string) {
		if after != before && after != "" {
			found = append(found, Event{Kind: kind, Before: before, After: after})
		}
	}
	if !wakes(old.Presence(), d.Presence()) {
		note(PresenceEvent, old.Presence(), d.Presence())
	}
	note(TypeEvent, old.Type(), d.Type())
	note(VersionEvent, old.Version(), d.Version())
	note(SlotEvent, old.slot(), d.slot())
	if u := d.Update; u != nil && !u.same(old.Update) {
		e := Event{Kind: UpdateEvent, After: u.State, Version: u.Version, Error: u.Error, Received: u.Received}
		if old.Update != nil {
			e.Before = old.Update.State
		}
		found = append(found, e)
	}
	if s := d.Settings; s != nil && (old.Settings == nil || *s != *old.Settings) {
		e := Event{Kind: SettingsEvent, After: s.State, Version: strconv.FormatUint(uint64(s.about()), 10), Error: s.Error}
		if old.Settings != nil {
			e.Before = old.Settings.State
		}
		found = append(found, e)
	}
	if restarted(old, d) && d.Info.Boot.Reset != deepSleep {
		note(RestartEvent, "", d.Info.Boot.Reset)
	}
	return found
}

// wakes reports whether a change of presence is that a device wakes, or sleeps again. That is no
// event: a sensor does it all day.
func wakes(before, after string) bool {
	return before == Online && after == Sleeping || before == Sleeping && after == Online
}

// countCrashes notes a restart after a crash or a hang, and the crash loop that it may be part of.
// Another version begins with none.
func (d *Device) countCrashes(found []Event, at time.Time) {
	for _, e := range found {
		switch {
		case e.Kind == VersionEvent && e.Before != "":
			d.crashes, d.LoopsUntil = nil, time.Time{}
		case e.Kind == RestartEvent && slices.Contains(Abnormal, e.After):
			d.crashes = append(slices.Clone(d.crashes), at)
		}
	}
	if n := len(d.crashes); n >= CrashLoop {
		d.crashes = d.crashes[n-CrashLoop:]
		if first := d.crashes[0]; at.Sub(first) < CrashLoopTime {
			d.LoopsUntil = first.Add(CrashLoopTime)
		}
	}
}

// restarted reports whether a device started anew between two infos. It does not report that
// itself, but its uptime shows it.
func restarted(old, d Device) bool {
	if old.Info == nil || d.Info == nil || old.Info == d.Info {
		return false
	}
	if d.Info.Uptime < old.Info.Uptime {
		return true
	}
	if old.informed.IsZero() || d.informed.IsZero() {
		return false
	}
	slack := restartSlack
	if old.reconnected {
		slack = restartSlackNew
	}
	went := time.Duration(min(d.Info.Uptime-old.Info.Uptime, 1<<32)) * time.Second
	return d.informed.Sub(old.informed)-went > slack
}

// same says whether two update statuses differ in nothing but how much has come.
func (u *UpdateStatus) same(other *UpdateStatus) bool {
	return other != nil && u.State == other.State && u.Version == other.Version && u.Error == other.Error
}
