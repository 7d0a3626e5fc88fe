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
