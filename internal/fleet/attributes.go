package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on attributes.
const (
	maxAttributes  = 2560 // bytes of all that a device publishes, as JSON
	maxDeviceClass = 32   // bytes
	maxUnit        = 16   // bytes
	maxPrecision   = 6    // decimals
	maxOptions     = 16
	maxOption      = 32 // bytes
)

// Attributes are what a device says of a feature beside its kind (docs/SPEC.md section 7.6). Each
// is zero if the device did not say, or if it is of no use for the feature's kind.
type Attributes struct {
	Name        string   `json:"name,omitempty" doc:"name for people"`
	Icon        string   `json:"icon,omitempty" example:"mdi:fan"`
	Category    string   `json:"category,omitempty" enum:"diagnostic,config"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"false: to be hidden until somebody wants it"`
	DeviceClass string   `json:"device_class,omitempty" example:"temperature"`
	Unit        string   `json:"unit,omitempty" example:"°C"`
	Precision   *int     `json:"precision,omitempty" doc:"decimals to show"`
	StateClass  string   `json:"state_class,omitempty" enum:"measurement,total,total_increasing"`
	Text        bool     `json:"text,omitempty" doc:"true: the state of the sensor is a text"`
	Min         *float64 `json:"min,omitempty" doc:"of a number; without it 0"`
	Max         *float64 `json:"max,omitempty" doc:"of a number; without it 100"`
	Step        *float64 `json:"step,omitempty" doc:"of a number, above 0; without it 1"`
	Options     []string `json:"options,omitempty" nullable:"false" doc:"of a select; types of an event"`
	Brightness  bool     `json:"brightness,omitempty"`
	Color       bool     `json:"color,omitempty"`
	Position    bool     `json:"position,omitempty"`
}

// Hidden reports whether the feature is to be hidden until somebody wants it.
func (a Attributes) Hidden() bool { return a.Enabled != nil && !*a.Enabled }

// Bounds returns the least and the greatest value of a number, and the step between values.
func (a Attributes) Bounds() (least, most, step float64) {
	or := func(p *float64, otherwise float64) float64 {
		if p == nil {
			return otherwise
		}
		return *p
	}
	return or(a.Min, 0), or(a.Max, 100), or(a.Step, 1)
}

// Commands reports whether features of a kind take commands.
func Commands(kind string) bool {
	return slices.Contains([]string{Switch, Light, Number, Select, Button, Cover}, kind)
}

func (a Attributes) isZero() bool { return reflect.ValueOf(a).IsZero() }

func equalAttributes(a, b map[string]Attributes) bool {
	equal := func(a, b Attributes) bool { return reflect.DeepEqual(a, b) }
	return (a == nil) == (b == nil) && maps.EqualFunc(a, b, equal)
}

// ParseAttributes reads the payload of the topic features of a device. What cannot be used is left
// out, and the problems name it. Which attributes a feature can have depends on its kind, which
// this does not know.
func ParseAttributes(message []byte) (map[string]Attributes, []string, error) {
	if len(message) > maxAttributes {
		return nil, nil, fmt.Errorf("longer than %d bytes", maxAttributes)
	}
	o, err := parseObject(message)
	if err != nil {
		return nil, nil, err
	}
	all := map[string]Attributes{}
	for _, name := range sortedKeys(o.members) {
		switch {
		case !IsFeature(name):
			o.problem(shown(name), "cannot be the name of a feature")
		case len(all) == maxFeatures:
			o.problem(name, "there are more than %d", maxFeatures)
		default:
			all[name] = o.object(name).attributes()
		}
	}
	return all, *o.problems, nil
}

// attributes reads the attributes of one feature.
func (o object) attributes() (a Attributes) {
	text := func(most int) func(string) bool {
		return func(s string) bool { return len(s) <= most && isPrintable(s) }
	}
	word := func(most int, more string) func(string) bool {
		return func(s string) bool { return len(s) <= most && isWord(s, more) }
	}
	take(o, "name", &a.Name, text(maxText), fmt.Sprintf("printable text of at most %d bytes", maxText))
	take(o, "icon", &a.Icon, word(maxText, ":-"), "the name of an icon, such as mdi:fan")
	take(o, "category", &a.Category, oneOf("diagnostic", "config"), "diagnostic or config")
	enabled := true
	if take(o, "enabled", &enabled, always, "true or false"); !enabled {
		a.Enabled = &enabled
	}
	take(o, "device_class", &a.DeviceClass, word(maxDeviceClass, "_"), "a device class of Home Assistant")
	take(o, "unit", &a.Unit, text(maxUnit), fmt.Sprintf("printable text of at most %d bytes", maxUnit))
	takePointer(o, "precision", &a.Precision, func(n int) bool { return n >= 0 && n <= maxPrecision },
		fmt.Sprintf("a number from 0 to %d", maxPrecision))
	take(o, "state_class", &a.StateClass, oneOf("measurement", "total", "total_increasing"),
		"measurement, total or total_increasing")
	take(o, "text", &a.Text, always, "true or false")
	o.number("min", &a.Min)
	o.number("max", &a.Max)
	o.number("step", &a.Step)
	if least, most, step := a.Bounds(); least >= most {
		o.problem("min", "%s is not less than max, %s", decimal(least), decimal(most))
		a.Min, a.Max, a.Step = nil, nil, nil
	} else if a.Step != nil && (step <= 0 || step > most-least) {
		o.problem("step", "%s is not above 0 and at most max - min", decimal(step))
		a.Step = nil
	}
	take(o, "options", &a.Options, isOptions,
		fmt.Sprintf("a list of 1 to %d different texts of 1 to %d bytes", maxOptions, maxOption))
	take(o, "brightness", &a.Brightness, always, "true or false")
	take(o, "color", &a.Color, always, "true or false")
	take(o, "position", &a.Position, always, "true or false")
	return a
}

// takePointer reads a member whose zero differs from none.
func takePointer[T any](o object, name string, into **T, usable func(T) bool, what string) {
	var value T
	if _, there := o.members[name]; there && take(o, name, &value, usable, what) {
		*into = &value
	}
}

// number reads a member that is a decimal number.
func (o object) number(name string, into **float64) {
	takePointer(o, name, into, func(float64) bool { return isNumber(string(o.members[name])) },
		fmt.Sprintf("a decimal number of at most %d characters", maxValue))
}

func oneOf(all ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(all, s) }
}

func isOptions(all []string) bool {
	for i, o := range all {
		if o == "" || len(o) > maxOption || !isPrintable(o) || slices.Contains(all[:i], o) {
			return false
		}
	}
	return len(all) > 0 && len(all) <= maxOptions
}

// of returns those attributes that a feature of a kind can have, and which of the others are left
// out. Of a kind that is not known none are.
func (a Attributes) of(kind string) (_ Attributes, unused []string) {
	if !slices.Contains(Kinds, kind) {
		return a, nil
	}
	drop := func(name, why string) { unused = append(unused, name+": "+why) }
	classed := []string{Switch, BinarySensor, Sensor, Number, Button, EventFeature, Cover}
	for _, m := range []struct {
		name  string
		kinds []string
		value any // a pointer to it
	}{
		{"device_class", classed, &a.DeviceClass},
		{"unit", []string{Sensor, Number}, &a.Unit},
		{"precision", []string{Sensor}, &a.Precision},
		{"state_class", []string{Sensor}, &a.StateClass},
		{"text", []string{Sensor}, &a.Text},
		{"min", []string{Number}, &a.Min},
		{"max", []string{Number}, &a.Max},
		{"step", []string{Number}, &a.Step},
		{"options", []string{Select, EventFeature}, &a.Options},
		{"brightness", []string{Light}, &a.Brightness},
		{"color", []string{Light}, &a.Color},
		{"position", []string{Cover}, &a.Position},
	} {
		value := reflect.ValueOf(m.value).Elem()
		if !value.IsZero() && !slices.Contains(m.kinds, kind) {
			drop(m.name, "a feature of kind "+kind+" has none")
			value.SetZero()
		}
	}
	if a.Category == "config" && !Commands(kind) {
		drop("category", "a feature of kind "+kind+" takes no commands, so it cannot be config")
		a.Category = ""
	}
	if kind == Select && len(a.Options) == 1 {
		drop("options", "there is one, but a select has at least 2")
		a.Options = nil
	}
	return a, unused
}

// decimal returns a number as devices write it.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// isNumber reports whether a text is a decimal number as docs/SPEC.md section 7.6 has it.
func isNumber(s string) bool {
	if len(s) > maxValue || strings.Trim(s, "0123456789.-") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// isPrintable reports whether a text is valid UTF-8 that can be shown.
func isPrintable(s string) bool {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	return utf8.ValidString(s) && !strings.ContainsFunc(s, hidden)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
