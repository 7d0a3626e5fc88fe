package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/hands"
)

// handsFlags say what is done to emulated devices, and what is shown of them.
type handsFlags struct {
	Set     []string      `sep:"none" placeholder:"PIN=LEVEL" help:"From the start on, drive a pin from the outside, as in gpio0=0, =1 or =open; or adc=0 to 1023, vdd=3300 (mV). May be repeated."`
	Script  string        `placeholder:"FILE" help:"Do to each device what the file says, at its times."`
	Console bool          `help:"Take commands from the standard input, though it is no terminal."`
	Watch   string        `placeholder:"PINS" help:"Print what outputs do: of a list such as gpio12,gpio13, or all."`
	JSON    bool          `name:"json" help:"Print all that happens as JSON, an object a line."`
	For     time.Duration `placeholder:"DURATION" help:"End after so long, as in 30s."`
}

// parsedHands is what these flags say.
type parsedHands struct {
	sets   []hands.Command
	script *hands.Script // nil: none
	pins   hands.Pins
}

// parse reads the flags, and the file that one of them names.
func (f handsFlags) parse() (p parsedHands, err error) {
	if f.For < 0 {
		return p, fmt.Errorf("--for %v: not a time to come", f.For)
	}
	for _, text := range f.Set {
		c, err := hands.ParseSet(text)
		if err != nil {
			return p, fmt.Errorf("--set %s: %w", text, err)
		}
		p.sets = append(p.sets, c)
	}
	if f.Watch != "" {
		if p.pins, err = hands.ParsePins(f.Watch); err != nil {
			return p, fmt.Errorf("--watch: %w", err)
		}
	}
	if f.Script == "" {
		return p, nil
	}
	file, err := os.Open(f.Script)
	if err != nil {
		return p, err
	}
	defer file.Close()
	if p.script, err = hands.Parse(file); err != nil {
		return p, fmt.Errorf("%s: %w", f.Script, err)
	}
	return p, nil
}

// prepare does what is done before the power is switched on.
func (p parsedHands) prepare(d *emulator.Device) {
	for _, set := range p.sets {
		_ = set.Do(d) // it cannot fail
	}
}

// eventPrinter prints what happens to emulated devices.
type eventPrinter struct {
	out  io.Writer
	json bool
	many bool // devices
}

// event is something that happened, as JSON.
type event struct {
	Time   float64  `json:"time"` // of the device, in seconds
	Device string   `json:"device"`
	Event  string   `json:"event"`
	Text   string   `json:"text,omitempty"` // of serial, uart1 and command
	Reason string   `json:"reason,omitempty"`
	Pin    string   `json:"pin,omitempty"`
	Level  *int     `json:"level,omitempty"`
	Hz     *float64 `json:"hz,omitempty"`
	Duty   *float64 `json:"duty,omitempty"` // 0 to 1
}

func (s *eventPrinter) event(d *emulator.Device, name string, fill func(*event)) {
	e := event{Time: seconds(d.Now()), Device: d.ID(), Event: name}
	fill(&e)
	b, err := json.Marshal(e)
	if err == nil {
		_, _ = s.out.Write(append(b, '\n')) // the command ends when its output is lost
	}
}

// seconds rounds to milliseconds.
func seconds(t time.Duration) float64 { return t.Round(time.Millisecond).Seconds() }

// change prints what an output did.
func (s *eventPrinter) change(d *emulator.Device, c hands.Change) {
	if s.json {
		s.event(d, "pin", func(e *event) {
			e.Pin = fmt.Sprintf("gpio%d", c.Pin)
			if c.PWM {
				e.Event, e.Hz, e.Duty = "pwm", &c.Hz, &c.Duty
				return
			}
			level := 0
			if c.High {
				level = 1
			}
			e.Level = &level
		})
		return
	}
	prefix := ""
	if s.many {
		prefix = "[" + d.ID() + "] "
	}
	fmt.Fprintf(s.out, "%s[%8.3f s] %v\n", prefix, c.At.Seconds(), c)
}

// command prints what was done to a device.
func (s *eventPrinter) command(d *emulator.Device, c hands.Command) {
	if s.json {
		s.event(d, "command", func(e *event) { e.Text = c.Text })
	}
}

// reset prints that a device starts again.
func (s *eventPrinter) reset(d *emulator.Device, reason esp8266.ResetReason) {
	if s.json {
		s.event(d, "reset", func(e *event) { e.Reason = reason.String() })
	}
}

// serialEvents prints what a device sends on a serial line. The device is made after this.
type serialEvents struct {
	*eventPrinter
	device func() *emulator.Device
	name   string // of the event
}

// Write prints lines.
func (s *serialEvents) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if text := strings.Trim(string(line), "\r\n"); text != "" {
			if d := s.device(); d != nil {
				s.event(d, s.name, func(e *event) { e.Text = text })
			}
		}
	}
	return len(b), nil
}

// console takes commands for devices that run.
type console struct {
	*streams
	show    *eventPrinter
	devices []*emulator.Device
	end     func(error)
	empty   func() // what an empty line does; nil: nothing
}

// maxConsoleLine is the longest line that is read, in bytes.
const maxConsoleLine = 4096

// run reads commands until there are no more.
func (c *console) run() {
	lines := bufio.NewScanner(c.in)
	lines.Buffer(make([]byte, 0, maxConsoleLine), maxConsoleLine)
	for lines.Scan() {
		if err := c.do(strings.TrimSpace(lines.Text())); err != nil {
			c.note("%v", err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		c.note("the console ends: a line of more than %d bytes", maxConsoleLine)
	}
}

// pinsLine is the command pins, for all devices or for one.
var pinsLine = regexp.MustCompile(`^(?:([0-9a-f]{6}):\s*)?pins$`)

// do obeys one line.
func (c *console) do(line string) error {
	switch line {
	case "":
		if c.empty != nil {
			c.empty()
		}
		return nil
	case "help", "?":
		c.note("%s", hands.Help+"pins                levels of the pins, and what drives them")
		if len(c.devices) > 1 {
			c.note("A command is for all devices, or behind '%s:' for that one.", c.devices[0].ID())
		}
		return nil
	}
	if m := pinsLine.FindStringSubmatch(line); m != nil {
		return c.on(m[1], func(d *emulator.Device) {
			c.note("device %s\n%s", d.ID(), strings.TrimSpace(hands.Describe(d)))
		})
	}
	command, err := hands.ParseCommand(line)
	if err != nil {
		return fmt.Errorf("%w; 'help' lists all", err)
	}
	if command.End() {
		var left atomic.Int64 // devices that are still to do what came before
		left.Store(int64(len(c.devices)))
		return c.on("", func(*emulator.Device) {
			if left.Add(-1) == 0 {
				c.end(nil)
			}
		})
	}
	return c.on(command.Device, func(d *emulator.Device) {
		if err := command.Do(d); err != nil {
			c.note("%v", err)
		}
		c.show.command(d, command)
	})
}

// on lets something happen to a device, or to all.
func (c *console) on(id string, do func(*emulator.Device)) error {
	var ids []string
	found := false
	for _, d := range c.devices {
		ids = append(ids, d.ID())
		if id == "" || id == d.ID() {
			found = true
			d.Do(do)
		}
	}
	if !found {
		return fmt.Errorf("there is no device %s; there are %s", id, list(ids))
	}
	return nil
}

// someoneTypes reports whether somebody types what a command reads: it is a terminal, and this
// program is the one that reads from it now, not one in the background.
func someoneTypes(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false
	}
	group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// ending keeps why an emulation ends, and ends it.
type ending struct {
	stop func()

	mu  sync.Mutex
	err error // guarded by mu
}

// end ends it. The first error is kept.
func (e *ending) end(err error) {
	e.mu.Lock()
	if e.err == nil && err != nil {
		e.err = &invalidError{err}
	}
	e.mu.Unlock()
	e.stop()
}

// reason returns the error.
func (e *ending) reason() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// play has a device do what the flags say, before it runs.
func (f handsFlags) play(p parsedHands, d *emulator.Device, s *eventPrinter, end func(error)) {
	if p.pins != 0 {
		hands.Watch(d, p.pins, func(c hands.Change) { s.change(d, c) })
	}
	if p.script != nil {
		player := hands.Player{Done: s.command, End: end}
		player.Play(p.script, d)
	}
	if f.For > 0 {
		d.At(f.For, func(*emulator.Device) { end(nil) })
	}
	before := d.OnReset
	d.OnReset = func(reason esp8266.ResetReason) {
		s.reset(d, reason)
		if before != nil {
			before(reason)
		}
	}
}
