package rollout

import (
	"slices"
	"time"
)

// Offer notes that a device asked, and was told what was decided.
func Offer(s State, d Device, told Decision, now time.Time) (State, Device) {
	d.Asked = now
	again := d.Last.open() && d.Last.Release == told.Release && !overdue(s.Plan, d, now)
	if told.Release == "" || told.Release == d.Running || again {
		return s, d
	}
	s, d = s.begin(d, told.Release, TryOffered, now)
	if stage, ok := s.stage(); ok && d.Last.of(s) && stage.Rate.Devices > 0 {
		s.Recent = append(slices.Clone(within(s.Recent, stage.Rate.Per, now)), now)
	}
	return s, d
}

// Taken notes that a device has asked for an image of a release, or reports to be about
// to install it.
func Taken(s State, d Device, version string, now time.Time) (State, Device) {
	switch {
	case version == d.Running:
		return s, d // it refreshes its other slot
	case d.Last.Release != version, d.Last.State == TryLapsed, d.Last.State == TryAgain:
		return s.begin(d, version, TryTaken, now)
	case d.Last.State == TryOffered:
		d.Last.State, d.Last.Since = TryTaken, now
	}
	return s, d
}

// Confirmed notes that a device has reported to run a release, not on trial.
func Confirmed(s State, d Device, running Release, now time.Time) (State, Device) {
	d.Running, d.Sequence = running.Version, running.Sequence
	if d.Last.open() && d.Last.of(s) && d.AheadOf(s.Release) { // it came to something newer by another way
		return s.end(d, TryLapsed, now)
	}
	if d.Last.Release != running.Version || d.Last.State == TryConfirmed || d.Last.Failure == CrashLoop {
		return s, d
	}
	s, d = s.end(d, TryConfirmed, now)
	if d.Last.of(s) {
		s.Confirmed++
		s.Proven = true
	}
	return s, d
}

// Lapsed notes that a device could not fetch a release. It is no failure of the release:
// the device is offered it again.
func Lapsed(s State, d Device, version string, now time.Time) (State, Device) {
	if d.Last.open() && d.Last.Release == version {
		s, d = s.end(d, TryLapsed, now)
	}
	return s, d
}

// Failed notes that a device failed with a release. What is told again counts once. The
// roll-out stops when there are too many.
func Failed(s State, d Device, version string, why Failure, now time.Time) (State, Device, []Event) {
	switch {
	case d.Last.Release == version && d.Last.State == TryFailed:
		return s, d, nil
	case d.Last.Release == version && d.Last.State == TryAgain:
		return s, d, nil // what it reported before a person let it try again
	case d.Last.Release != version && version != s.Release.Version:
		return s, d, nil // long past
	case d.Last.Release != version:
		s, d = s.begin(d, version, TryTaken, now) // of which we did not hear
	}
	if d.Last.of(s) && d.Last.State == TryConfirmed {
		s.Confirmed--
	}
	s, d = s.end(d, TryFailed, now)
	d.Last.Failure = why
	if !d.Last.of(s) {
		return s, d, nil
	}
	s.Failed++
	events := []Event{s.Event(DeviceFailed, now)}
	events[0].Device, events[0].Failure = d.ID, why
	stage, ok := s.stage()
	if ok && (s.Status == Running || s.Status == Paused) && s.Failed > stage.Failures {
		s.Status = Stopped
		events = append(events, s.Event(RolloutStopped, now))
	}
	return s, d, events
}

// begin lets a device try a release. What it tried before is over.
func (s State) begin(d Device, version string, as TryState, now time.Time) (State, Device) {
	if d.Last.open() {
		s, d = s.end(d, TryLapsed, now)
	}
	last := Try{Release: version, Times: 1, State: as, Since: now}
	if version == s.Release.Version {
		last.Number = s.Number
		s.AtRisk++
	}
	if d.Last.State == TryLapsed && d.Last.Release == last.Release && d.Last.Number == last.Number {
		last.Times += d.Last.Times
	}
	d.Last = last
	return s, d
}

// end notes what became of a try.
func (s State) end(d Device, as TryState, now time.Time) (State, Device) {
	if d.Last.open() && d.Last.of(s) {
		s.AtRisk--
	}
	d.Last.State, d.Last.Since, d.Last.Failure = as, now, ""
	return s, d
}
