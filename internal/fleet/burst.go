package fleet

import "time"

// maxBurst is how many events of one device are kept in a minute. A device that
// updates has some ten; one that means harm could fill the history.
const maxBurst = 100

// burst counts the events of one device, and tells their times apart.
type burst struct {
	last   int64 // time of the last events, in microseconds
	minute int64
	events int
}

// take counts n events at a time and returns the time that they get: in whole
// microseconds, and later than that of those before. It says false if there are
// too many.
func (b *burst) take(n int, at time.Time) (time.Time, bool) {
	if n == 0 {
		return at, true
	}
	t := at.UnixMicro()
	if minute := t / 60e6; minute != b.minute {
		b.minute, b.events = minute, 0
	}
	if b.events += n; b.events > maxBurst {
		return at, false
	}
	// A clock that was set back a good deal is believed all the same.
	if t <= b.last && b.last-t < 1e6 {
		t = b.last + 1
	}
	b.last = t
	return time.UnixMicro(t).UTC(), true
}
