// Package hands does to emulated devices what people do to real ones: it presses buttons, turns
// knobs, types on the serial line and takes the power away, by a script or at once; and it watches
// the pins.
package hands

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"esper/emulator"
)

// Command is one thing that is done to a device.
type Command struct {
	Device string // chip id of the one that it is for; empty: all
	Text   string // as it was written

	do  func(*emulator.Device) error
	end bool
}

// End reports whether the command ends the emulation.
func (c Command) End() bool { return c.end }

// For reports whether the command is for a device.
func (c Command) For(d *emulator.Device) bool { return c.Device == "" || c.Device == d.ID() }

// Do does it to a device, which must not be running elsewhere. The error is that of an expect that
// does not hold.
func (c Command) Do(d *emulator.Device) error {
	if c.do == nil {
		return nil
	}
	return c.do(d)
}

// Help lists the commands.
const Help = `set gpio0=0 …       drive pins from the outside: 0, 1, or open; also adc=0…1023, vdd=3300 (mV)
press gpio0 [200ms] the other level, and back after that time
double gpio0        press it twice
adc 512             the analogue input, 0 to 1023
send "text\n"       to the serial line (UART 0)
reset               pull the reset pin
power off, power on take the power away, give it back
expect gpio12=1     end with an error unless a pin has this level
end                 end the emulation
`

// The limits of what is parsed.
const (
	maxLine = 4096 // bytes
	maxSend = 1024 // bytes
	maxTime = 10000 * time.Hour
)

// What a press takes, unless it says so, and what is between the two of a double press.
const (
	pressTime   = 100 * time.Millisecond
	doublePause = 150 * time.Millisecond
)

var chipID = regexp.MustCompile(`^([0-9a-f]{6}):\s*`)

// ParseCommand parses one command, behind a chip id and a colon if it is for that device alone.
func ParseCommand(text string) (Command, error) {
	text = strings.TrimSpace(text)
	c := Command{Text: text}
	if len(text) > maxLine {
		return c, fmt.Errorf("a command of more than %d bytes", maxLine)
	}
	if m := chipID.FindStringSubmatch(text); m != nil {
		c.Device, text = m[1], text[len(m[0]):]
	}
	name, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	words := strings.Fields(rest)
	parse, ok := parsers[name]
	if !ok {
		return c, fmt.Errorf("%q is no command; there are %s", name, commands)
	}
	var err error
	if c.do, err = parse(rest, words); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	c.end = name == "end"
	return c, nil
}

// commands are the names of all.
const commands = "set, press, double, adc, send, reset, power, expect and end"

// parser parses what follows a command's name.
type parser func(rest string, words []string) (func(*emulator.Device) error, error)

var parsers = map[string]parser{
	"set":    func(_ string, words []string) (func(*emulator.Device) error, error) { return parseSet(words) },
	"press":  parsePress,
	"double": parseDouble,
	"adc": func(_ string, words []string) (func(*emulator.Device) error, error) {
		if len(words) != 1 {
			return nil, errors.New("one value from 0 to 1023, as in 'adc 512'")
		}
		return parseSet([]string{"adc=" + words[0]})
	},
	"send":   parseSend,
	"reset":  none((*emulator.Device).Reset),
	"power":  parsePower,
	"expect": parseExpect,
	"end":    none(nil),
}

// none is a command without arguments.
func none(do func(*emulator.Device)) parser {
	return func(_ string, words []string) (func(*emulator.Device) error, error) {
		if len(words) > 0 {
			return nil, errors.New("nothing follows it")
		}
		if do == nil {
			return nil, nil
		}
		return always(do), nil
	}
}

// always is a command that cannot fail.
func always(do func(*emulator.Device)) func(*emulator.Device) error {
	return func(d *emulator.Device) error { do(d); return nil }
}

// parsePin parses gpio0 to gpio16.
func parsePin(text string) (int, error) {
	number, ok := strings.CutPrefix(text, "gpio")
	n, err := strconv.ParseUint(number, 10, 8)
	if !ok || err != nil || n > 16 || number != strconv.FormatUint(n, 10) {
		return 0, fmt.Errorf("%q is no pin; there are gpio0 to gpio16", text)
	}
	return int(n), nil
}

// parseNumber parses a number up to max.
func parseNumber(text string, max int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > max {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", text, max)
	}
	return n, nil
}

// ParseSet parses an assignment, such as gpio0=0, gpio4=open, adc=512 or vdd=3300.
func ParseSet(text string) (Command, error) {
	do, err := parseSet([]string{text})
	return Command{Text: "set " + text, do: do}, err
}

// maxVDD is the highest supply voltage, in mV.
const maxVDD = 3600

func parseSet(words []string) (func(*emulator.Device) error, error) {
	if len(words) == 0 {
		return nil, errors.New("what is set is missing, as in 'set gpio0=0'")
	}
	var all []func(*emulator.Device)
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%q: as in gpio0=0, adc=512 or vdd=3300", word)
		}
		var do func(*emulator.Device)
		switch name {
		case "adc":
			n, err := parseNumber(value, 1023)
			if err != nil {
				return nil, err
			}
			do = func(d *emulator.Device) { d.SDK.ADC = uint16(n) }
		case "vdd":
			n, err := parseNumber(value, maxVDD)
			if err != nil {
				return nil, err
			}
			do = func(d *emulator.Device) { d.SDK.VDD = n }
		default:
			pin, err := parsePin(name)
			if err != nil {
				return nil, err
			}
			switch value {
			case "0", "1":
				do = func(d *emulator.Device) { d.SetPin(pin, value == "1") }
			case "open":
				do = func(d *emulator.Device) { d.ReleasePin(pin) }
			default:
				return nil, fmt.Errorf("%q: a pin is 0, 1 or open", word)
			}
		}
		all = append(all, do)
	}
	return always(func(d *emulator.Device) {
		for _, do := range all {
			do(d)
		}
	}), nil
}

// press drives a pin to the other level for some time.
func press(d *emulator.Device, pin int, t time.Duration) {
	before := d.Chip.PinState(pin)
	d.SetPin(pin, !before.High)
	d.At(d.Now()+t, func(d *emulator.Device) {
		if before.Outside != nil {
			d.SetPin(pin, *before.Outside)
		} else {
			d.ReleasePin(pin)
		}
	})
}

func parsePress(_ string, words []string) (func(*emulator.Device) error, error) {
	if len(words) == 0 || len(words) > 2 {
		return nil, errors.New("a pin, and how long, as in 'press gpio0 200ms'")
	}
	pin, err := parsePin(words[0])
	if err != nil {
		return nil, err
	}
	t := pressTime
	if len(words) == 2 {
		if t, err = parseTime(words[1]); err != nil {
			return nil, err
		}
	}
	return always(func(d *emulator.Device) { press(d, pin, t) }), nil
}

func parseDouble(_ string, words []string) (func(*emulator.Device) error, error) {
	if len(words) != 1 {
		return nil, errors.New("one pin, as in 'double gpio0'")
	}
	pin, err := parsePin(words[0])
	if err != nil {
		return nil, err
	}
	return always(func(d *emulator.Device) {
		press(d, pin, pressTime)
		d.At(d.Now()+pressTime+doublePause, func(d *emulator.Device) { press(d, pin, pressTime) })
	}), nil
}

func parseSend(rest string, _ []string) (func(*emulator.Device) error, error) {
	text, err := strconv.Unquote(rest)
	if err != nil || rest[0] != '"' {
		return nil, errors.New(`a text in quotes, as in 'send "on\n"'`)
	}
	if len(text) > maxSend {
		return nil, fmt.Errorf("a text of %d bytes; at most %d", len(text), maxSend)
	}
	return always(func(d *emulator.Device) { d.Receive([]byte(text)) }), nil
}

func parsePower(rest string, _ []string) (func(*emulator.Device) error, error) {
	switch rest {
	case "off":
		return always((*emulator.Device).PowerOff), nil
	case "on":
		return always(func(d *emulator.Device) {
			if !d.Powered() {
				d.PowerCycle()
			}
		}), nil
	}
	return nil, errors.New("'power off' or 'power on'")
}

func parseExpect(_ string, words []string) (func(*emulator.Device) error, error) {
	if len(words) != 1 {
		return nil, errors.New("a pin and its level, as in 'expect gpio12=1'")
	}
	name, level, _ := strings.Cut(words[0], "=")
	pin, err := parsePin(name)
	if err != nil {
		return nil, err
	}
	if level != "0" && level != "1" {
		return nil, fmt.Errorf("%q: a level is 0 or 1", words[0])
	}
	return func(d *emulator.Device) error {
		if d.Pin(pin) == (level == "1") {
			return nil
		}
		return fmt.Errorf("device %s: gpio%d is not %s", d.ID(), pin, level)
	}, nil
}

// parseTime parses a time, of at most maxTime.
func parseTime(text string) (time.Duration, error) {
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 || t > maxTime {
		return 0, fmt.Errorf("%q is no time, as in 200ms, 1.5s or 2m", text)
	}
	return t, nil
}
