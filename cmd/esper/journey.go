package main

import (
	"fmt"
	"sync"
	"time"

	"esper/internal/fleet"
)

// journey is a device's way through an update, as it reports it, with the time of
// each step. The zero times did not happen.
type journey struct {
	mu sync.Mutex
	stations
}

type stations struct {
	began, downloading, verifying, restarted, reported, confirmed time.Time

	checked bool // it has answered the call to check
	rests   bool // and is done with what followed
	version string
	state   string // the update's, with the error if there is one
	crash   string // what the first crash was, if there was one

	received *uint32 // bytes over the air, if it said so
}

// begin forgets everything before but a crash.
func (j *journey) begin(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stations = stations{began: at, version: j.version, crash: j.crash}
}

// restart notes that the device restarts now.
func (j *journey) restart() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.restarted.IsZero() {
		j.restarted = time.Now()
	}
}

// crashed notes a crash. A device gets over one, so that what it reports does not tell.
func (j *journey) crashed(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.crash == "" {
		j.crash = what
	}
}

// see takes in what the device has reported.
func (j *journey) see(d fleet.Device, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if d.Update != nil {
		j.state, j.rests = updateText(d), d.Update.AtRest()
		switch state := d.Update.State; {
		case state == "checking":
			j.checked = true
		case state == "downloading" && j.downloading.IsZero():
			j.checked, j.downloading = true, at
		case state == "verifying" && j.verifying.IsZero():
			j.verifying, j.received = at, d.Update.Received
		case state == "confirmed" && !j.restarted.IsZero() && j.confirmed.IsZero():
			j.confirmed = at
		}
	}
	version := d.Version()
	if version != j.version && !j.restarted.IsZero() && j.reported.IsZero() {
		j.reported = at
	}
	j.version = version
}

// done says whether the device has checked and runs the version, at rest: after an
// update that means confirmed, and its other slot refreshed.
func (j *journey) done(version string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checked && j.version == version && j.rests &&
		(j.state == "idle" || j.state == "confirmed")
}

// copy returns the journey so far.
func (j *journey) copy() *journey {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &journey{stations: j.stations}
}

// times are the columns of an update: bytes over the air, then the steps: check, download, verify, restart,
// confirm, in all.
func (j *journey) times() string {
	span := func(from, to time.Time) string {
		if from.IsZero() || to.IsZero() {
			return "-"
		}
		return fmt.Sprintf("%.1f s", to.Sub(from).Seconds())
	}
	received := "-"
	if j.received != nil {
		received = fmt.Sprint(*j.received)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", received, span(j.began, j.downloading), span(j.downloading, j.verifying),
		span(j.verifying, j.restarted), span(j.restarted, j.reported), span(j.reported, j.confirmed),
		span(j.began, j.confirmed))
}
