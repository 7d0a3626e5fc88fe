package hands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"esper/emulator"
)

// Pins is a set of pins, a bit for each.
type Pins uint32

// AllPins are GPIO0 to GPIO16.
const AllPins Pins = 1<<17 - 1

// ParsePins parses a list such as gpio12,gpio13, or all.
func ParsePins(text string) (Pins, error) {
	if text == "all" {
		return AllPins, nil
	}
	var pins Pins
	for _, name := range strings.Split(text, ",") {
		n, err := parsePin(name)
		if err != nil {
			return 0, err
		}
		pins |= 1 << n
	}
	return pins, nil
}

// Change is what a pin did that the device drives: a new level; or, while it changes more often
// than changesASecond, how often in a second and for what share of the time it was high.
type Change struct {
	At   time.Duration // the device's time
	Pin  int
	High bool

	PWM  bool
	Hz   float64
	Duty float64 // 0 to 1
}

func (c Change) String() string {
	if c.PWM {
		return fmt.Sprintf("gpio%d: %.0f Hz, %.1f %% high", c.Pin, c.Hz, 100*c.Duty)
	}
	level := 0
	if c.High {
		level = 1
	}
	return fmt.Sprintf("gpio%d = %d", c.Pin, level)
}

// changesASecond is how many changes of a pin within a second are reported one by one.
const changesASecond = 100

// Watch reports what the pins do that the device drives. It takes the place of another observer of
// the chip's pins. A pin that goes on in the same way, to a hundredth, is not reported again.
func Watch(d *emulator.Device, pins Pins, report func(Change)) {
	w := &watcher{d: d, report: report}
	d.Chip.OnPin(func(n int, high bool) {
		if pins>>n&1 != 0 {
			w.changed(&w.pins[n], n, high)
		}
	})
}

type watcher struct {
	d      *emulator.Device
	report func(Change)
	pins   [17]watched
}

// watched is a pin, during a second that begins with a change.
type watched struct {
	open    bool
	begin   time.Duration
	changes int
	rises   int
	rose    [2]time.Duration // first and last
	high    bool
	since   time.Duration // of the last change
	onTime  time.Duration
	fast    bool // its changes are not reported one by one
	told    Change
}

func (w *watcher) changed(p *watched, n int, high bool) {
	now := w.d.Now()
	if !p.open {
		p.open, p.begin, p.since, p.changes, p.rises, p.onTime = true, now, now, 0, 0, 0
		w.d.At(now+time.Second, func(*emulator.Device) { w.ended(p, n) })
	}
	p.count(now)
	p.changes++
	if p.high = high; high {
		p.rises++
		if p.rises == 1 {
			p.rose[0] = now
		}
		p.rose[1] = now
	}
	if !p.fast && p.changes <= changesASecond {
		w.tell(p, Change{At: now, Pin: n, High: high})
	}
}

// count adds the time since the last change.
func (p *watched) count(now time.Duration) {
	if p.high {
		p.onTime += now - p.since
	}
	p.since = now
}

// ended sums a second up.
func (w *watcher) ended(p *watched, n int) {
	now := w.d.Now()
	p.count(now)
	p.open = false
	if p.changes <= changesASecond {
		if p.fast { // it is slow again
			p.fast = false
			w.tell(p, Change{At: now, Pin: n, High: p.high})
		}
		return
	}
	p.fast = true
	seconds := (now - p.begin).Seconds()
	hz := float64(p.rises-1) / (p.rose[1] - p.rose[0]).Seconds()
	c := Change{At: now, Pin: n, PWM: true, Hz: hz, Duty: p.onTime.Seconds() / seconds}
	if !p.told.PWM || !near(c.Hz, p.told.Hz, 0.01*c.Hz+1) || !near(c.Duty, p.told.Duty, 0.01) {
		w.tell(p, c)
	}
	// The next second begins here, so that the end of what is fast is seen.
	p.open, p.begin, p.changes, p.rises, p.onTime = true, now, 0, 0, 0
	w.d.At(now+time.Second, func(*emulator.Device) { w.ended(p, n) })
}

func (w *watcher) tell(p *watched, c Change) {
	p.told = c
	w.report(c)
}

func near(a, b, by float64) bool { return a-b <= by && b-a <= by }

// Describe returns a line about each pin of a device: its level, and what drives it.
func Describe(d *emulator.Device) string {
	var b strings.Builder
	for n := range 17 {
		s := d.Chip.PinState(n)
		what := "input"
		if s.Output {
			what = "output"
		}
		if n >= 6 && n <= 11 {
			what += ", of the flash"
		}
		if s.PullUp {
			what += ", pull-up"
		}
		if s.Outside != nil {
			what += ", driven from outside to " + digit(*s.Outside)
		}
		fmt.Fprintf(&b, "%-7s %s  %s\n", "gpio"+strconv.Itoa(n), digit(s.High), what)
	}
	fmt.Fprintf(&b, "adc     %d\n", d.SDK.Input())
	return b.String()
}

func digit(high bool) string {
	if high {
		return "1"
	}
	return "0"
}
