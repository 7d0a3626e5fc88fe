// Package fleet holds what is known of each device from what it reports over MQTT
// (docs/SPEC.md section 7), and tells what each message changed. It reads messages
// that anyone in the network may have sent: a message that is not as specified is
// counted and changes nothing else.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"esper/internal/image"
	"esper/internal/logging"
)

// Limits on what is kept.
const (
	maxPayload = 16 << 10 // bytes
	maxDevices = 100_000
)

// Fleet is what is known of the devices of one realm. Its methods can be called at
// the same time.
type Fleet struct {
	realm  string
	log    *slog.Logger
	digest *logging.Digest

	followers []func(Change)

	mu      sync.Mutex // guards the following fields
	devices map[string]*Device
	changed chan struct{}
	full    bool // has been logged
	strange bool // has been logged: a malformed message of a device otherwise unknown
	flooded bool // has been logged: a device with too many events

	malformed int64 // messages, of all devices
}

// New returns a fleet that knows no device yet.
func New(realm string, log *slog.Logger) *Fleet {
	return &Fleet{realm: realm, log: log, digest: logging.NewDigest(log, "what devices did"), devices: map[string]*Device{}, changed: make(chan struct{})}
}

// Follow has a function called with each change, in their order. It must not block, nor call the
// fleet. It is to be called before the fleet is used.
func (f *Fleet) Follow(follow func(Change)) { f.followers = append(f.followers, follow) }

// Topics returns the filters of the topics that Handle wants to have.
func Topics(realm string) []string {
	return []string{realm + "/+/status", realm + "/+/info", realm + "/+/update/status", realm + "/+/settings"}
}

// The topics of a device, after <realm>/<id>/.
const (
	statusTopic   = "status"
	infoTopic     = "info"
	updateTopic   = "update/status"
	settingsTopic = "settings"
)

// Restore makes devices known as they were once, before Handle is called first.
func (f *Fleet) Restore(devices []Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range devices {
		if len(f.devices) < maxDevices && !(d.Forgotten() && d.Labels.empty()) {
			d.informed = d.Seen
			f.devices[d.ID] = &d
		}
	}
}

// Handle takes in a message that was received at a time, which is zero for a
// retained one, and says what it changed, if anything. A topic of no device is
// ignored. An empty payload, which is how a retained message is removed from a
// broker, makes what it said unknown again, and a device of which nothing is known
// any more is forgotten.
func (f *Fleet) Handle(topic string, payload []byte, at time.Time) (Change, bool) {
	id, what, ok := f.parseTopic(topic)
	if !ok {
		return Change{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old, known := f.devices[id]
	if !known {
		if len(payload) == 0 {
			return Change{}, false
		}
		if len(f.devices) >= maxDevices {
			if !f.full {
				f.log.Warn("too many devices report: the next are ignored", "limit", maxDevices)
			}
			f.full = true
			return Change{}, false
		}
		old = &Device{ID: id}
	}
	d := *old // what a reader may hold is never changed
	if err := d.take(what, payload); err != nil {
		reason := err.Error()
		f.malformed++
		if !known { // nobody, as far as we know: remember nothing
			if !f.strange {
				f.warn(id, topic, payload, reason)
			}
			f.strange = true
			return Change{}, false
		}
		d = *old
		if d.Malformed++; d.Malformed == 1 {
			f.warn(id, topic, payload, reason)
		}
		d.note(what, []string{reason + "; all of it is ignored"})
		return f.become(*old, d, at), true
	}
	if len(d.Problems) > 0 && !d.noted && d.Malformed == 0 {
		d.noted = true
		f.log.Warn("a part of what a device says cannot be used; \"esper device\" and its page say which",
			"device", id, "topic", topic, "problem", d.Problems[0])
	}
	// The broker speaks for a device that is gone.
	if !at.IsZero() && !(what == statusTopic && !d.connected()) {
		d.Seen, d.Silent = at, false
	}
	if what != statusTopic && !at.IsZero() && len(payload) > 0 && d.Status == "" {
		d.Status = Online // what it said of that was removed, and it is there
	}
	d.Silent = d.Silent && d.connected()
	switch what {
	case infoTopic:
		d.informed, d.reconnected = at, false
	case statusTopic:
		// Firmware says Online last, behind its info; older firmware says it first.
		behind := d.Status == Online && at.Sub(d.informed) < onlineBehind
		d.reconnected = d.reconnected || !at.IsZero() && !behind
	}
	return f.become(*old, d, at), true
}

// Label changes what people call a device, if it is known.
func (f *Fleet) Label(id string, labels Labels) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, known := f.devices[id]; known {
		d := *old
		d.Labels = labels
		f.become(*old, d, time.Time{})
	}
}

// Remove forgets a device, as if it had never reported. Undo makes it known again as it was, unless it
// has reported since.
func (f *Fleet) Remove(id string) (undo func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.devices[id]
	delete(f.devices, id)
	f.wake()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.devices[id] == nil && old != nil {
			f.devices[id] = old
			f.wake()
		}
	}
}

// wake lets those go on who wait for a change.
func (f *Fleet) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Silence marks the devices that are said to be online and have said nothing for
// [SilentAfter], and those that sleep and have said nothing for twice their rhythm and a
// minute. It returns what changed by that. Since is since when all that the devices say has
// been heard.
func (f *Fleet) Silence(since, now time.Time) []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	var changes []Change
	for _, old := range f.devices {
		heard := old.Seen
		if heard.Before(since) {
			heard = since
		}
		if limit := old.silentAfter(); !old.Silent && limit > 0 && now.Sub(heard) > limit {
			d := *old
			d.Silent = true
			changes = append(changes, f.become(*old, d, now))
		}
	}
	return changes
}

// become replaces what is known of a device and says what that changed.
func (f *Fleet) become(old, d Device, at time.Time) Change {
	found := events(old, d)
	late := at.IsZero()
	if late {
		at = time.Now()
	}
	d.countCrashes(found, at)
	if at, ok := d.burst.take(len(found), at); ok {
		for i := range found {
			found[i].Device, found[i].At, found[i].Late = d.ID, at, late
		}
	} else {
		if !f.flooded {
			f.log.Warn("a device changes too often; the history lacks some of it", "device", d.ID, "limit_per_minute", maxBurst)
		}
		f.flooded, found = true, nil
	}
	f.logEvents(d, found)
	if d.Forgotten() {
		d = Device{ID: d.ID, Labels: d.Labels}
	}
	f.devices[d.ID] = &d
	if d.Forgotten() && d.Labels.empty() {
		delete(f.devices, d.ID)
	}
	f.wake()
	change := Change{Device: d, Events: found}
	for _, follow := range f.followers {
		follow(change)
	}
	return change
}

// Device returns what is known of a device, and false if nothing is.
func (f *Fleet) Device(id string) (Device, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.devices[id]
	if !ok {
		return Device{}, false
	}
	return *d, true
}

// Devices returns what is known of each device, sorted by type and then id. What
// it points to is not changed later and must not be changed.
func (f *Fleet) Devices() []Device {
	f.mu.Lock()
	devices := make([]Device, 0, len(f.devices))
	for _, d := range f.devices {
		if !d.Forgotten() {
			devices = append(devices, *d)
		}
	}
	f.mu.Unlock()
	slices.SortFunc(devices, func(a, b Device) int {
		if byType := strings.Compare(a.Type(), b.Type()); byType != 0 {
			return byType
		}
		return strings.Compare(a.ID, b.ID)
	})
	return devices
}

// Changed returns a channel that is closed at the next change. To miss none, get
// the channel before Devices.
func (f *Fleet) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Malformed is how many messages could not be read.
func (f *Fleet) Malformed() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.malformed
}

// parseTopic splits <realm>/<id>/<what>.
func (f *Fleet) parseTopic(topic string) (id, what string, ok bool) {
	rest, ok := strings.CutPrefix(topic, f.realm+"/")
	if !ok {
		return "", "", false
	}
	id, what, ok = strings.Cut(rest, "/")
	ok = ok && IsID(id) && slices.Contains([]string{statusTopic, infoTopic, updateTopic, settingsTopic}, what)
	return id, what, ok
}

// take changes the device by a message, or returns the reason why the message cannot be used.
func (d *Device) take(what string, payload []byte) error {
	empty := len(payload) == 0
	var problems []string
	var err error
	switch {
	case len(payload) > maxPayload:
		err = fmt.Errorf("longer than %d bytes", maxPayload)
	case what == statusTopic:
		if s := string(payload); !empty && s != Online && s != Offline && s != Sleeping {
			err = errors.New("none of ONLINE, OFFLINE and SLEEPING")
		} else {
			d.Status = s
		}
	case what == infoTopic:
		if d.Info = nil; !empty {
			d.Info, problems, err = ParseInfo(d.ID, payload)
		}
	case what == updateTopic:
		if d.Update = nil; !empty {
			d.Update, problems, err = ParseUpdate(payload)
		}
	case what == settingsTopic:
		if d.Settings = nil; !empty {
			d.Settings, problems, err = ParseSettings(payload)
		}
	}
	d.note(what, problems)
	return err
}

// warn logs a malformed message, of which the first is enough: what comes may come
// in any number.
func (f *Fleet) warn(id, topic string, payload []byte, reason string) {
	f.log.Warn("malformed message ignored; more of this device are only counted",
		"device", id, "topic", topic, "bytes", len(payload), "reason", reason)
}

// logEvents logs each event, at debug level but for failures: thousands of devices have them at once. A
// digest tells how many there were.
func (f *Fleet) logEvents(d Device, events []Event) {
	for _, e := range events {
		switch e.Kind {
		case PresenceEvent:
			f.log.Debug("device "+strings.ToLower(e.After), "device", d.ID, "type", d.Type())
			f.digest.Count(strings.ToLower(e.After))
		case VersionEvent:
			f.log.Debug("device runs", "device", d.ID, "type", d.Type(), "version", e.After, "before", e.Before)
			f.digest.Count("version_changed")
		case UpdateEvent:
			level := slog.LevelDebug
			if e.After == "failed" || e.After == "rolled-back" {
				level = slog.LevelWarn
			}
			f.log.Log(context.Background(), level, "device update", "device", d.ID, "type", d.Type(), "state", e.After, "version", e.Version, "error", e.Error)
			f.digest.Count("update_" + strings.ReplaceAll(e.After, "-", "_"))
		case SettingsEvent:
			level := slog.LevelDebug
			if e.After == "failed" || e.After == "rolled-back" {
				level = slog.LevelWarn
			}
			f.log.Log(context.Background(), level, "device settings", "device", d.ID, "type", d.Type(), "state", e.After,
				"sequence", e.Version, "error", e.Error)
			f.digest.Count("settings_" + strings.ReplaceAll(e.After, "-", "_"))
		case RestartEvent:
			f.log.Debug("device restarted", "device", d.ID, "type", d.Type(), "reset", e.After)
			f.digest.Count("restarted")
		}
	}
}

// IsID says whether a text is a chip id: 6 lower-case hex digits.
func IsID(s string) bool {
	return len(s) == 6 && strings.Trim(s, "0123456789abcdef") == ""
}

func isType(s string) bool    { return image.CheckDeviceType(s) == nil }
func isVersion(s string) bool { return image.CheckVersion(s) == nil }

// printable replaces what a terminal would not show, and shortens what is too long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
