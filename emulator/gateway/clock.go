package gateway

import (
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// clock is the stack's time, which goes on only by advance.
type clock struct {
	mu     sync.Mutex
	now    time.Duration
	timers []*timer // that are running, in the order in which they were started
}

type timer struct {
	clock *clock
	at    time.Duration
	f     func()
}

// Now implements tcpip.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(0, 0).Add(c.now)
}

// NowMonotonic implements tcpip.Clock.
func (c *clock) NowMonotonic() tcpip.MonotonicTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tcpip.MonotonicTime{}.Add(c.now)
}

// AfterFunc implements tcpip.Clock. The function is called by advance.
func (c *clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &timer{clock: c, f: f}
	t.Reset(d)
	return t
}

// Stop implements tcpip.Timer.
func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.remove(t)
}

// Reset implements tcpip.Timer.
func (t *timer) Reset(d time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.clock.remove(t)
	t.at = t.clock.now + d
	t.clock.timers = append(t.clock.timers, t)
}

// remove stops a timer, and reports whether it was running. It expects the lock held.
func (c *clock) remove(t *timer) bool {
	i := slices.Index(c.timers, t)
	if i < 0 {
		return false
	}
	c.timers = slices.Delete(c.timers, i, i+1)
	return true
}

// next returns the time of the timer that is due first.
func (c *clock) next() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.first()
	if t == nil {
		return 0, false
	}
	return t.at, true
}

// first expects the lock held.
func (c *clock) first() *timer {
	var first *timer
	for _, t := range c.timers {
		if first == nil || t.at < first.at {
			first = t
		}
	}
	return first
}

// advance lets the time pass up to now. It calls what is due, one after the other, and after
// each of them settle. It reports whether something was.
func (c *clock) advance(now time.Duration, settle func()) (fired bool) {
	for {
		c.mu.Lock()
		t := c.first()
		if t == nil || t.at > now {
			c.now = max(c.now, now)
			c.mu.Unlock()
			return fired
		}
		c.remove(t)
		c.now = max(c.now, t.at)
		c.mu.Unlock()
		t.f()
		settle()
		fired = true
	}
}
