package conductor

import (
	"slices"
	"strconv"
	"time"

	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/settings"
)

// subject is what is rolled out. A conductor decides on versions, sequences and tries; the subject
// says where these are found.
type subject interface {
	// read returns what a device reports of the subject.
	read(d fleet.Device, now time.Time) report
	// event is the kind of events by which it is known that a device's outcome is news.
	event() fleet.Kind
	// request returns a request as the conductor takes it: with the name of the type, and the
	// version that the device says it has.
	request(q repository.Request) repository.Request
	// taken returns the version that a device has begun to take by a request; empty if it has not.
	taken(q repository.Request) string
	// sequence returns that of a version; 0 if it is not known.
	sequence(p *repository.Published, deviceType, version string) uint32
	// none returns the version of devices that have had no release yet, if they can stay as they
	// are: then the first release is rolled out in stages, too.
	none() rollout.Release
	// transient reports whether an error says nothing about the release: the device could not
	// fetch or store it this time, or has something newer.
	transient(err string) bool
}

// report is what a device reports.
type report struct {
	deviceType string
	member     bool // it takes part in roll-outs, even if nothing was heard of it before
	known      bool // it says what it runs
	running    rollout.Release
	trial      bool // it tries out what it runs
	failing    bool // it is in a crash loop with what it runs
	outcome    *outcome
}

// outcome is what a device reports to have come of a release.
type outcome struct {
	state   string
	version string
	err     string
	told    bool // it does not say of which: of the one that it was told of last
}

// firmware is the subject of roll-outs of firmware.
type firmware struct{}

func (firmware) read(d fleet.Device, now time.Time) report {
	r := report{deviceType: d.Type(), member: true}
	if d.Info == nil {
		return r
	}
	r.known, r.trial, r.failing = true, d.Info.Boot.Trial, d.CrashLooping(now)
	r.running = rollout.Release{Version: d.Info.Version.ESPer, Sequence: d.Info.Version.Sequence}
	if u := d.Update; u != nil {
		r.outcome = &outcome{state: u.State, version: u.Version, err: u.Error}
	}
	return r
}

func (firmware) event() fleet.Kind                               { return fleet.UpdateEvent }
func (firmware) none() rollout.Release                           { return rollout.Release{} }
func (firmware) request(q repository.Request) repository.Request { return q }

func (firmware) taken(q repository.Request) string {
	if q.File == "version" {
		return ""
	}
	return q.Wanted
}

func (firmware) sequence(p *repository.Published, deviceType, version string) uint32 {
	e, _ := p.Find(deviceType, version)
	return e.Sequence
}

func (firmware) transient(err string) bool {
	return slices.Contains([]string{
		"unreachable", "http-status", "malformed-response", "malformed-version-file", "truncated",
		"flash", "no-memory", "boot-mode-latched", "not-newer",
	}, err)
}

// settingsOf is the subject of roll-outs of settings (SPEC 12.5), whose versions are sequences.
type settingsOf struct{}

func (settingsOf) read(d fleet.Device, _ time.Time) report {
	r := report{member: d.Settings != nil} // others have their settings in the image
	if d.Type() == "" {
		return r
	}
	r.deviceType = settings.FileName(d.Type())
	s := d.Settings
	if s == nil {
		return r
	}
	r.known = true
	r.running = rollout.Release{Version: decimal(s.Sequence), Sequence: s.Sequence}
	r.outcome = &outcome{
		state: s.State, version: decimal(s.Candidate), err: s.Error, told: s.Candidate == 0,
	}
	return r
}

func (settingsOf) event() fleet.Kind     { return fleet.SettingsEvent }
func (settingsOf) none() rollout.Release { return rollout.Release{Version: decimal(0)} }

func (settingsOf) request(q repository.Request) repository.Request {
	q.Type, q.Running = settings.FileName(q.Type), ""
	if q.Settings != nil {
		q.Running = decimal(q.Settings.Fleet)
	}
	return q
}

// A device that gets the settings has all that it needs to try them: it asks for nothing more.
func (settingsOf) taken(q repository.Request) string {
	if q.Own || q.Sent == 0 {
		return ""
	}
	return q.Served
}

func (settingsOf) sequence(_ *repository.Published, _, version string) uint32 {
	n, _ := strconv.ParseUint(version, 10, 32) // of anything else, 0
	return uint32(n)
}

func (settingsOf) transient(err string) bool {
	return slices.Contains([]string{
		"unreachable", "http-status", "malformed-response", "flash", "no-memory", "not-newer",
	}, err)
}

func decimal(sequence uint32) string { return strconv.FormatUint(uint64(sequence), 10) }
