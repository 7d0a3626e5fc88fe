package hands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"esper/emulator"
)

// Script is a list of commands, each at its time.
type Script struct {
	steps  []step
	repeat time.Duration // when it begins again; 0: never
}

type step struct {
	at   time.Duration // since the beginning
	line int
	Command
}

// maxSteps is how many commands a script may have.
const maxSteps = 10000

// Parse parses a script: lines of a time and a command. The time is one since the beginning, or,
// with a +, since the line before; it does not go back. The last command may be repeat. Lines that
// are empty or begin with # are left out.
func Parse(r io.Reader) (*Script, error) {
	s := &Script{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	var before time.Duration
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if err := s.add(n, text, &before); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d: more than %d bytes", n+1, maxLine)
	}
	return s, lines.Err()
}

// add adds a line. before is the time of the line before.
func (s *Script) add(line int, text string, before *time.Duration) error {
	at, rest, _ := strings.Cut(text, " ")
	relative, isRelative := strings.CutPrefix(at, "+")
	t, err := parseTime(relative)
	switch {
	case err != nil:
		return fmt.Errorf("%w; a line is a time and a command, as in '2s press gpio0'", err)
	case isRelative:
		t += *before
	case t < *before:
		return fmt.Errorf("%v comes after %v", t, *before)
	}
	switch {
	case t > maxTime:
		return fmt.Errorf("%v is too late", t)
	case s.repeat != 0:
		return errors.New("nothing follows a repeat")
	case len(s.steps) == maxSteps:
		return fmt.Errorf("more than %d commands", maxSteps)
	}
	*before = t
	if strings.TrimSpace(rest) == "repeat" {
		if t < minRepeat {
			return fmt.Errorf("a script is repeated after %v or later", minRepeat)
		}
		s.repeat = t
		return nil
	}
	c, err := ParseCommand(rest)
	if err != nil {
		return err
	}
	s.steps = append(s.steps, step{t, line, c})
	return nil
}

// minRepeat is the shortest time after which a script is repeated.
const minRepeat = 10 * time.Millisecond

// Player plays scripts to devices.
type Player struct {
	// Done, if set, is called for each command that has been done.
	Done func(d *emulator.Device, c Command)
	// End is called when a script wants the emulation to end, with the error of an expect that does
	// not hold; it may be called for each device.
	End func(error)
}

// Play plays a script to a device from now on, in the device's own time. It must not run elsewhere
// yet.
func (p *Player) Play(s *Script, d *emulator.Device) { p.from(s, d, d.Now(), 0) }

// from plays the step i of a script that began at some time, and what follows it.
func (p *Player) from(s *Script, d *emulator.Device, begin time.Duration, i int) {
	if i == len(s.steps) {
		if s.repeat != 0 {
			d.At(begin+s.repeat, func(d *emulator.Device) { p.from(s, d, begin+s.repeat, 0) })
		}
		return
	}
	next := s.steps[i]
	d.At(begin+next.at, func(d *emulator.Device) {
		if next.For(d) {
			err := next.Do(d)
			if err != nil {
				err = fmt.Errorf("line %d: %w", next.line, err)
			}
			if p.Done != nil {
				p.Done(d, next.Command)
			}
			if (err != nil || next.end) && p.End != nil {
				p.End(err)
				return
			}
		}
		p.from(s, d, begin, i+1)
	})
}
