package rollout

import (
	"slices"
	"time"
)

// drift is how far ahead a noted time may lie, since not all goroutines look at the clock at once.
const drift = time.Minute

// ahead says whether a time lies in the future: it was noted while the clock was wrong.
func ahead(t, now time.Time) bool { return t.After(now.Add(drift)) }

// ahead says whether something of the device was noted while the clock was wrong.
func (d Device) ahead(now time.Time) bool { return ahead(d.Last.Since, now) || ahead(d.Asked, now) }

// reset makes what was noted while the clock was ahead something that happened just now. A
// computer without a clock of its own can start in any year, and nobody should have to wait
// until that comes.
func (s State) reset(fleet []Device, now time.Time) (State, []Device) {
	for _, t := range []*time.Time{&s.Opened, &s.Settled} {
		if ahead(*t, now) {
			*t = now
		}
	}
	if slices.ContainsFunc(s.Recent, func(t time.Time) bool { return ahead(t, now) }) {
		s.Recent = slices.DeleteFunc(slices.Clone(s.Recent), func(t time.Time) bool { return ahead(t, now) })
	}
	if !slices.ContainsFunc(fleet, func(d Device) bool { return d.ahead(now) }) {
		return s, fleet
	}
	fleet = slices.Clone(fleet)
	for i := range fleet {
		for _, t := range []*time.Time{&fleet[i].Last.Since, &fleet[i].Asked} {
			if ahead(*t, now) {
				*t = now
			}
		}
	}
	return s, fleet
}

// Grace is how long a device has at least to report once the server is back: it reconnects, and its
// info comes every minute (docs/SPEC.md section 7.1).
const Grace = 3 * time.Minute

// Skip takes a time that nobody watched out of the reckoning: the server did not run, did not hear the
// devices, or its clock was set. What is waited for moves by that time, which is negative if the clock
// was set back, and each device that took a release has at least [Grace] from now on to report. The
// fleet must be all devices of the type; it returns them with what has changed.
func Skip(s State, fleet []Device, unwatched time.Duration, now time.Time) (State, []Device) {
	for _, t := range []*time.Time{&s.Opened, &s.Settled} {
		if !t.IsZero() {
			*t = t.Add(unwatched)
		}
	}
	fleet = slices.Clone(fleet)
	for i := range fleet {
		d := &fleet[i]
		if !d.Asked.IsZero() {
			d.Asked = earlier(d.Asked.Add(unwatched), now)
		}
		if d.Last.open() {
			since := d.Last.Since.Add(unwatched)
			if late := now.Add(Grace - s.Plan.ReportWithin); since.Before(late) {
				since = late
			}
			d.Last.Since = earlier(since, now)
		}
	}
	return s, fleet
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
