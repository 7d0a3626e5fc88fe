package site

import (
	"errors"
	"fmt"
	"strings"
)

// Time is how devices know the time (SPEC 12.8). The zero value: they do not.
type Time struct {
	Server string // a host name or IPv4 address that answers SNTP; empty: devices do not know the time
	Zone   Zone
}

// Zone is a time zone. The zero value is UTC.
type Zone struct {
	Standard, Daylight int // seconds east of UTC
	// ToDaylight and ToStandard are when clocks change, in the time before the change. Their Month
	// is 0 if clocks never change.
	ToDaylight, ToStandard Change
}

// Change is a yearly change of clocks, POSIX's Mm.w.d/time.
type Change struct {
	Month   int // 1 to 12
	Week    int // 1 to 5: the n-th weekday of the month; 5 is the last one
	Weekday int // 0 to 6: Sunday to Saturday
	Seconds int // from that day's midnight, -167 h to 167 h (RFC 8536, 3.3.1)
}

const (
	maxZone       = 64 // bytes
	minZoneName   = 3
	maxOffset     = 24 // hours
	maxChangeTime = 167
	defaultChange = 2 * 3600 // seconds
)

// timeFile is the table [time].
type timeFile struct {
	Server string `toml:"server"`
	Zone   string `toml:"zone"`
}

// check returns how devices know the time.
func (f timeFile) check() (Time, error) {
	switch {
	case f == timeFile{}:
		return Time{}, nil
	case f.Server == "":
		return Time{}, errors.New("time.server: missing: where devices ask for the time, such as \"pool.ntp.org\"")
	case len(f.Server) > maxHost:
		return Time{}, fmt.Errorf("time.server: %d characters, but at most %d are allowed", len(f.Server), maxHost)
	case !plainHost(f.Server):
		return Time{}, fmt.Errorf("time.server: %.40q is not a host name or IPv4 address such as \"pool.ntp.org\"", f.Server)
	case f.Zone == "":
		return Time{Server: f.Server}, nil
	}
	zone, err := ParseZone(f.Zone)
	if err != nil {
		return Time{}, fmt.Errorf("time.zone: %w", err)
	}
	return Time{f.Server, zone}, nil
}

// ParseZone reads a time zone as POSIX's TZ: std offset, and dst [offset],start[/time],end[/time] where
// clocks change, with days in the form Mm.w.d.
func ParseZone(text string) (Zone, error) {
	if len(text) > maxZone {
		return Zone{}, fmt.Errorf("%d characters, but at most %d are allowed", len(text), maxZone)
	}
	p := zoneParser{rest: text}
	zone, problem := p.zone()
	if problem == "" {
		return zone, nil
	}
	const form = "; it is the zone's rule as in POSIX's TZ, such as \"CET-1CEST,M3.5.0,M10.5.0/3\""
	if strings.Contains(text, "/") && !strings.Contains(text, ",") {
		return Zone{}, fmt.Errorf("%q is the name of a zone%s: see the last line of /usr/share/zoneinfo/%[1]s", text, form)
	}
	return Zone{}, fmt.Errorf("%q: %s%s", text, problem, form)
}

// zoneParser takes a zone's text from the front. What it returns as a problem says what is missing where.
type zoneParser struct{ rest string }

func (p *zoneParser) zone() (z Zone, problem string) {
	if !p.name() {
		return z, "begins with no name of a time: 3 letters or more, or letters, digits, + and - in < and >"
	}
	west, ok := p.time(maxOffset)
	if !ok {
		return z, fmt.Sprintf("has no offset behind the first name: hours west of UTC, -%d to %[1]d", maxOffset)
	}
	z.Standard, z.Daylight = -west, -west
	if p.rest == "" {
		return z, ""
	}
	if !p.name() {
		return z, "has neither an end nor a name of a time behind the first offset"
	}
	z.Daylight += 3600
	if p.rest != "" && p.rest[0] != ',' {
		if west, ok = p.time(maxOffset); !ok {
			return z, "has no offset behind the second name"
		}
		z.Daylight = -west
	}
	for _, change := range []*Change{&z.ToDaylight, &z.ToStandard} {
		if problem := p.change(change); problem != "" {
			return z, problem
		}
	}
	if p.rest != "" {
		return z, fmt.Sprintf("goes on with %q", p.rest)
	}
	return z, ""
}

// name takes the name of a time.
func (p *zoneParser) name() bool {
	letter := func(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	quoted, ok := strings.CutPrefix(p.rest, "<")
	if !ok {
		end := strings.IndexFunc(p.rest, func(c rune) bool { return !letter(c) })
		if end < 0 {
			end = len(p.rest)
		}
		p.rest = p.rest[end:]
		return end >= minZoneName
	}
	name, rest, closed := strings.Cut(quoted, ">")
	p.rest = rest
	other := strings.IndexFunc(name, func(c rune) bool { return !letter(c) && !strings.ContainsRune("0123456789+-", c) })
	return closed && len(name) >= minZoneName && other < 0
}

// number takes a decimal number of at most three digits.
func (p *zoneParser) number(least, most int) (n int, ok bool) {
	digits := 0
	for digits < min(len(p.rest), 3) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
		n = 10*n + int(p.rest[digits]-'0')
		digits++
	}
	p.rest = p.rest[digits:]
	return n, digits > 0 && n >= least && n <= most
}

// take takes a character if it comes next.
func (p *zoneParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// time takes [+-]hh[:mm[:ss]], of at most so many hours, and returns seconds.
func (p *zoneParser) time(hours int) (seconds int, ok bool) {
	sign := 1
	if p.take('-') {
		sign = -1
	} else {
		p.take('+')
	}
	n, ok := p.number(0, hours)
	seconds = 3600 * n
	for _, unit := range []int{60, 1} {
		if ok && p.take(':') {
			n, ok = p.number(0, 59)
			seconds += unit * n
		} else {
			break
		}
	}
	return sign * seconds, ok && seconds <= 3600*hours
}

// change takes ,Mm.w.d[/time].
func (p *zoneParser) change(c *Change) (problem string) {
	if !p.take(',') {
		return "does not say when clocks change"
	}
	if !p.take('M') {
		return "has a day that is not in the form Mm.w.d (month, week, weekday)"
	}
	month, ok := p.number(1, 12)
	dot := p.take('.')
	week, ok1 := p.number(1, 5)
	dot = p.take('.') && dot
	weekday, ok2 := p.number(0, 6)
	if !ok || !dot || !ok1 || !ok2 {
		return "has a day that is not Mm.w.d with a month of 1 to 12, a week of 1 to 5 and a weekday of 0 to 6"
	}
	*c = Change{month, week, weekday, defaultChange}
	if p.take('/') {
		if c.Seconds, ok = p.time(maxChangeTime); !ok {
			return fmt.Sprintf("has a time of day that is not -%d to %[1]d hours", maxChangeTime)
		}
	}
	return ""
}
