// Package devicesetting holds the settings that a device type declares for its own code
// (docs/SPEC.md section 12.6): what a declaration may say, and which values it allows.
//
// A value is always a text here: what is published on <realm>/<id>/setting/<name>.
package devicesetting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The types of settings.
const (
	Number = "number"
	Switch = "switch"
	Select = "select"
	Text   = "text"
)

// Types are all types of settings.
var Types = []string{Number, Switch, Select, Text}

// Limits on settings.
const (
	Max             = 16   // settings of a device type
	MaxDeclarations = 2560 // bytes of all declarations of a device type, as JSON
	MaxText         = 64   // bytes of a text's value
	MinOptions      = 2    // of a select
	MaxOptions      = 16
	MaxOption       = 32 // bytes of one
	MaxUnit         = 16 // bytes
	MaxLabel        = 64 // bytes
)

// Declaration says what a setting is.
type Declaration struct {
	Type    string `json:"type" enum:"number,switch,select,text"`
	Label   string `json:"label,omitempty" doc:"name for people"`
	Default string `json:"default" doc:"value, as in the payload of a command"`
	// Min, Max, Step and Unit are of a number. A nil Min or Max is the limit of an int32, a Step
	// of 0 is 1.
	Min  *int32 `json:"min,omitempty"`
	Max  *int32 `json:"max,omitempty"`
	Step int32  `json:"step,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Options are what a select allows.
	Options []string `json:"options,omitempty" nullable:"false"`
	// Length is how many bytes a text may have.
	Length int `json:"length,omitempty"`
}

// Setting is a declaration with its name.
type Setting struct {
	Name string
	Declaration
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// IsName reports whether a text can be the name of a setting.
func IsName(s string) bool { return name.MatchString(s) }

// Bounds returns the least and the greatest value of a number, and the step between values.
func (d Declaration) Bounds() (least, most, step int32) {
	least, most, step = math.MinInt32, math.MaxInt32, max(d.Step, 1)
	if d.Min != nil {
		least = *d.Min
	}
	if d.Max != nil {
		most = *d.Max
	}
	return least, most, step
}

// Validate returns what is wrong with a declaration. The error begins with the member.
func (d Declaration) Validate() error {
	switch d.Type {
	case Number, Switch, Select, Text:
	case "":
		return errors.New("type: is missing: number, switch, select or text")
	default:
		return fmt.Errorf("type: %.40q is none of number, switch, select and text", d.Type)
	}
	for _, member := range []struct {
		name, of string
		there    bool
	}{
		{"min", Number, d.Min != nil}, {"max", Number, d.Max != nil}, {"step", Number, d.Step != 0},
		{"unit", Number, d.Unit != ""}, {"options", Select, d.Options != nil}, {"length", Text, d.Length != 0},
	} {
		if member.there && member.of != d.Type {
			return fmt.Errorf("%s: only a setting of type %s has it, not one of type %s", member.name, member.of, d.Type)
		}
	}
	if err := d.validateType(); err != nil {
		return err
	}
	for _, text := range []struct {
		name, value string
		max         int
	}{{"label", d.Label, MaxLabel}, {"unit", d.Unit, MaxUnit}} {
		if len(text.value) > text.max || !isPrintable(text.value) {
			return fmt.Errorf("%s: %.70q is not at most %d bytes of printable text", text.name, text.value, text.max)
		}
	}
	if err := d.Check(d.Default); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

// validateType checks what belongs to the type.
func (d Declaration) validateType() error {
	switch d.Type {
	case Number:
		least, most, step := d.Bounds()
		if least > most {
			return fmt.Errorf("min: %d is more than max, %d", least, most)
		}
		if d.Step < 0 || int64(step) > max(1, int64(most)-int64(least)) {
			return fmt.Errorf("step: %d is not between 1 and max - min", d.Step)
		}
	case Select:
		if len(d.Options) < MinOptions || len(d.Options) > MaxOptions {
			return fmt.Errorf("options: there are %d, but a select has %d to %d", len(d.Options), MinOptions, MaxOptions)
		}
		for i, o := range d.Options {
			if o == "" || len(o) > MaxOption || !isPrintable(o) || strings.TrimSpace(o) != o {
				return fmt.Errorf("options: %.40q is not 1 to %d bytes of printable text without blanks around it", o, MaxOption)
			}
			if slices.Contains(d.Options[:i], o) {
				return fmt.Errorf("options: %q is there twice", o)
			}
		}
	case Text:
		if d.Length < 1 || d.Length > MaxText {
			return fmt.Errorf("length: %d is not between 1 and %d", d.Length, MaxText)
		}
	}
	return nil
}

// Check returns why a text is not a value that the declaration allows.
func (d Declaration) Check(value string) error {
	switch d.Type {
	case Switch:
		if value != "0" && value != "1" {
			return fmt.Errorf("%.40q is neither 1 nor 0", value)
		}
	case Number:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || strconv.FormatInt(n, 10) != value {
			return fmt.Errorf("%.40q is not a whole number from -2147483648 to 2147483647, without leading zeros", value)
		}
		least, most, step := d.Bounds()
		switch {
		case n < int64(least):
			return fmt.Errorf("%d is less than %d", n, least)
		case n > int64(most):
			return fmt.Errorf("%d is more than %d", n, most)
		case (n-int64(least))%int64(step) != 0:
			return fmt.Errorf("%d is not %d and a multiple of %d", n, least, step)
		}
	case Select:
		if !slices.Contains(d.Options, value) {
			return fmt.Errorf("%.40q is none of %s", value, strings.Join(d.Options, ", "))
		}
	case Text:
		if len(value) > d.Length || !isPrintable(value) {
			return fmt.Errorf("%.70q is not at most %d bytes of printable text", value, d.Length)
		}
	default: // of a newer device
		return fmt.Errorf("nothing is known of settings of type %.40q", d.Type)
	}
	return nil
}

// isPrintable reports whether a text can be shown, and is what a device takes: valid UTF-8 without
// control characters.
func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}

// JSON returns the declarations as a device publishes them. Settings are in the order of their
// names.
func JSON(settings []Setting) ([]byte, error) {
	all := map[string]Declaration{}
	for _, s := range settings {
		all[s.Name] = s.Declaration
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(b.Bytes())
	if len(text) > MaxDeclarations {
		return nil, fmt.Errorf("what is declared takes %d bytes as JSON, but at most %d are allowed: "+
			"shorten labels and options, or declare fewer", len(text), MaxDeclarations)
	}
	return text, nil
}

// Equal reports whether two declarations say the same.
func (d Declaration) Equal(other Declaration) bool {
	least, most, step := d.Bounds()
	otherLeast, otherMost, otherStep := other.Bounds()
	return d.Type == other.Type && d.Label == other.Label && d.Default == other.Default && d.Unit == other.Unit &&
		least == otherLeast && most == otherMost && step == otherStep &&
		slices.Equal(d.Options, other.Options) && d.Length == other.Length
}
