package rollout

import (
	"fmt"
	"time"
)

// Window is a part of the day in which devices may be updated, on some days of the week.
// It goes by the clock on the wall, in the time zone of the time that it is asked about: an
// hour that daylight saving time leaves out is not there, one that it repeats is there twice.
type Window struct {
	From Clock `json:"from"`
	To   Clock `json:"to"` // not after From: on the next day
	// Days are those on which the window begins; none: every day.
	Days Days `json:"days,omitzero"`
}

// Clock is a time of day in minutes since midnight, 0 to 1439.
type Clock int

func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// Days is a set of days of the week: bit time.Sunday and so on.
type Days uint8

// Has says whether a day is in the set. The empty set stands for all.
func (d Days) Has(day time.Weekday) bool { return d == 0 || d>>day&1 != 0 }

// Open says whether the window is open at a time.
func (w Window) Open(at time.Time) bool {
	if w == (Window{}) {
		return true
	}
	now := Clock(at.Hour()*60 + at.Minute())
	today := at.Weekday()
	yesterday := (today + 6) % 7
	if w.From < w.To {
		return w.From <= now && now < w.To && w.Days.Has(today)
	}
	return now >= w.From && w.Days.Has(today) || now < w.To && w.Days.Has(yesterday)
}
