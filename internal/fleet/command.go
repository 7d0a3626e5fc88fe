package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

// none is the state of a sensor that has no value now.
const none = "None"

// lightState is the state of a light with brightness or color, or a command to it.
type lightState struct {
	State      string `json:"state,omitempty"`
	Brightness *uint8 `json:"brightness,omitempty"`
	Color      *color `json:"color,omitempty"`
}

type color struct {
	R *uint8 `json:"r"`
	G *uint8 `json:"g"`
	B *uint8 `json:"b"`
}

// valid reports whether what is there is valid.
func (l lightState) valid() bool {
	c := l.Color
	return (l.State == "" || l.State == "ON" || l.State == "OFF") &&
		(c == nil || c.R != nil && c.G != nil && c.B != nil)
}

// coverState is the state of a cover.
type coverState struct {
	State    string `json:"state"`
	Position *uint8 `json:"position,omitempty"`
}

// valid reports whether it is the state of a cover.
func (c coverState) valid() bool {
	return slices.Contains([]string{"open", "opening", "closed", "closing", "stopped"}, c.State) &&
		(c.Position == nil || *c.Position <= 100)
}

// eventType returns the type of an event, and whether a payload is one.
func eventType(text string) (string, bool) {
	var e struct {
		Type string `json:"event_type"`
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &e) != nil {
		return "", false
	}
	return e.Type, e.Type != "" && len(e.Type) <= maxOption && isPrintable(e.Type)
}

// state returns the state that a payload means, or why it is none. It has no more in it than
// docs/SPEC.md section 7.6 says.
func (f Feature) state(text string) (string, error) {
	a := f.Attributes
	usable, what := false, ""
	switch f.Kind {
	case "":
		return text, nil // a number, or nobody asks for it
	case Switch:
		usable, what = isSwitch(text), "1 or 0"
	case BinarySensor:
		usable, what = isSwitch(text) || text == none, "1, 0 or None"
	case Sensor:
		usable, what = isNumber(text) || text == none, "a number or None"
		if a.Text {
			usable, what = len(text) <= maxText, fmt.Sprintf("a text of at most %d bytes", maxText)
		}
	case Number:
		usable, what = isNumber(text), "a number"
	case Select:
		usable, what = isOption(a.Options, text), "one of its options"
	case Light:
		if isSwitch(text) {
			return text, nil
		}
		var l lightState
		if json.Unmarshal([]byte(text), &l) == nil && l.valid() && l.State != "" {
			return compact(l), nil
		}
		what = "1, 0 or the state of a light"
	case Cover:
		var c coverState
		if json.Unmarshal([]byte(text), &c) == nil && c.valid() {
			return compact(c), nil
		}
		what = "the state of a cover"
	case EventFeature:
		if kind, ok := eventType(text); ok && isOption(a.Options, kind) {
			return kind, nil
		}
		what = "an event of one of its types"
	case Button:
		return "", errors.New("a button has no state")
	default:
		usable = true // of a newer device
	}
	if !usable {
		return "", fmt.Errorf("%q is not %s", shown(text), what)
	}
	return text, nil
}

// Command returns what to publish on <feature>/set to have a feature do what a value says, or an
// error that says what it accepts.
func (f Feature) Command(value string) (string, error) {
	accepts := f.Accepts()
	if accepts == "" {
		return "", fmt.Errorf("%s of device %s takes no commands: it is %s", f.Name, f.Device, f.what())
	}
	if !f.accepted(value) {
		return "", fmt.Errorf("%s of device %s accepts %s, not %q",
			f.Name, f.Device, accepts, shown(value))
	}
	return value, nil
}

// what returns what the feature is, in words.
func (f Feature) what() string {
	switch {
	case f.Kind == "":
		return "of unknown kind"
	case f.Kind == Select:
		return "a select that has not said its options"
	case strings.ContainsRune("aeiou", rune(f.Kind[0])):
		return "an " + f.Kind
	}
	return "a " + f.Kind
}

// Accepts returns the commands that the feature takes, in words; empty: none.
func (f Feature) Accepts() string {
	a := f.Attributes
	switch f.Kind {
	case Switch:
		return "1 or 0"
	case Light:
		var members []string
		if a.Brightness {
			members = append(members, `"brightness":128`)
		}
		if a.Color {
			members = append(members, `"color":{"r":255,"g":128,"b":0}`)
		}
		if members == nil {
			return "1 or 0"
		}
		return fmt.Sprintf(`1, 0 or some of {"state":"ON",%s}`, strings.Join(members, ","))
	case Number:
		least, most, step := a.Bounds()
		words := fmt.Sprintf("a number from %s to %s in steps of %s",
			decimal(least), decimal(most), decimal(step))
		if a.Unit != "" {
			words += " " + a.Unit
		}
		return words
	case Select:
		if len(a.Options) == 0 {
			return ""
		}
		last := len(a.Options) - 1
		return strings.Join(a.Options[:last], ", ") + " or " + a.Options[last]
	case Button:
		return "press"
	case Cover:
		if a.Position {
			return "open, close, stop or a position from 0 to 100"
		}
		return "open, close or stop"
	}
	return ""
}

// accepted reports whether a feature that takes commands takes this one.
func (f Feature) accepted(value string) bool {
	a := f.Attributes
	switch f.Kind {
	case Switch:
		return isSwitch(value)
	case Light:
		return isSwitch(value) || (a.Brightness || a.Color) && a.lightCommand(value)
	case Number:
		least, most, step := a.Bounds()
		n, ok := new(big.Rat).SetString(value)
		if !isNumber(value) || !ok || n.Cmp(rational(least)) < 0 || n.Cmp(rational(most)) > 0 {
			return false
		}
		return n.Sub(n, rational(least)).Quo(n, rational(step)).IsInt()
	case Select:
		return slices.Contains(a.Options, value)
	case Button:
		return value == "press"
	case Cover:
		if slices.Contains([]string{"open", "close", "stop"}, value) {
			return true
		}
		var position uint8
		return a.Position && isNumber(value) &&
			json.Unmarshal([]byte(value), &position) == nil && position <= 100
	}
	return false
}

// lightCommand reports whether a value is a command to a light with these attributes.
func (a Attributes) lightCommand(value string) bool {
	var l lightState
	d := json.NewDecoder(strings.NewReader(value))
	d.DisallowUnknownFields()
	if len(value) > maxState || d.Decode(&l) != nil || !l.valid() {
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		return false
	}
	return l != lightState{} && (l.Brightness == nil || a.Brightness) && (l.Color == nil || a.Color)
}

// rational returns the number that a device wrote, which binary floating point has only nearly.
func rational(n float64) *big.Rat {
	r, _ := new(big.Rat).SetString(decimal(n))
	return r
}

func isSwitch(s string) bool { return s == "1" || s == "0" }

// isOption reports whether a text is one of the options, or may be if they are not known.
func isOption(options []string, text string) bool {
	if options == nil {
		return text != "" && len(text) <= maxOption
	}
	return slices.Contains(options, text)
}

// compact returns a value as JSON.
func compact(v any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return "" // not so: there is nothing in it that cannot be encoded
	}
	return strings.TrimSpace(b.String())
}
