package site

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"esper/internal/devicesetting"
)

// settingTable is [settings.<name>] in device.toml, as it is written.
type settingTable struct {
	Type    string   `toml:"type"`
	Label   string   `toml:"label"`
	Default any      `toml:"default"`
	Min     *int64   `toml:"min"`
	Max     *int64   `toml:"max"`
	Step    *int64   `toml:"step"`
	Unit    string   `toml:"unit"`
	Options []string `toml:"options"`
	Length  *int64   `toml:"length"`
}

// cppWords are the words of C++ that look like the name of a setting but cannot be one: device
// code uses the name.
var cppWords = []string{
	"alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch",
	"char", "char16_t", "char32_t", "char8_t", "class", "compl", "concept", "const", "const_cast", "consteval",
	"constexpr", "constinit", "continue", "co_await", "co_return", "co_yield", "decltype", "default", "delete",
	"do", "double", "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for",
	"friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq",
	"nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
	"requires", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct",
	"switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename",
	"union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
}

// checkSettings returns the settings that a device type declares, sorted by name.
func (f *deviceFile) checkSettings() ([]devicesetting.Setting, error) {
	if len(f.Settings) > devicesetting.Max {
		return nil, fmt.Errorf("settings: %d, but at most %d are allowed", len(f.Settings), devicesetting.Max)
	}
	var all []devicesetting.Setting
	for _, name := range slices.Sorted(maps.Keys(f.Settings)) {
		if !devicesetting.IsName(name) {
			return nil, fmt.Errorf("settings: %.40q: a name is 1 to 32 of a-z, 0-9 and _, and begins with a letter", name)
		}
		if slices.Contains(cppWords, name) {
			return nil, fmt.Errorf("settings: %s: is a word of C++, by which device code could not name the setting: take another", name)
		}
		declared, err := f.Settings[name].declaration()
		if err == nil {
			err = declared.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("settings.%s.%w", name, err)
		}
		all = append(all, devicesetting.Setting{Name: name, Declaration: declared})
	}
	if _, err := devicesetting.JSON(all); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return all, nil
}

// declaration returns what the table declares, which is not validated yet. The error begins with
// the key.
func (s settingTable) declaration() (d devicesetting.Declaration, err error) {
	d = devicesetting.Declaration{Type: s.Type, Label: s.Label, Unit: s.Unit, Options: s.Options}
	if d.Min, err = int32Of("min", s.Min); err != nil {
		return d, err
	}
	if d.Max, err = int32Of("max", s.Max); err != nil {
		return d, err
	}
	step, err := int32Of("step", s.Step)
	if err != nil {
		return d, err
	}
	if step != nil {
		if d.Step = *step; d.Step < 1 {
			return d, fmt.Errorf("step: %d is less than 1", d.Step)
		}
	}
	switch {
	case s.Length != nil && (*s.Length < 1 || *s.Length > devicesetting.MaxText):
		return d, fmt.Errorf("length: %d is not between 1 and %d", *s.Length, devicesetting.MaxText)
	case s.Length != nil:
		d.Length = int(*s.Length)
	case s.Type == devicesetting.Text:
		d.Length = devicesetting.MaxText
	}
	if s.Default == nil {
		return d, fmt.Errorf("default: is missing: what it is until somebody sets it")
	}
	d.Default, err = s.standard()
	return d, err
}

// standard returns the default as a value.
func (s settingTable) standard() (string, error) {
	wanted := "a text in quotes"
	switch v := s.Default.(type) {
	case int64:
		if s.Type == devicesetting.Number {
			return strconv.FormatInt(v, 10), nil
		}
	case bool:
		if s.Type == devicesetting.Switch {
			return map[bool]string{true: "1", false: "0"}[v], nil
		}
	case string:
		if s.Type != devicesetting.Number && s.Type != devicesetting.Switch {
			return v, nil
		}
	}
	switch s.Type {
	case devicesetting.Number:
		wanted = "a whole number"
	case devicesetting.Switch:
		wanted = "true or false"
	case devicesetting.Select, devicesetting.Text:
	default:
		return "", nil // the type is what is wrong
	}
	return "", fmt.Errorf("default: is not %s, as a setting of type %s needs", wanted, s.Type)
}

func int32Of(key string, n *int64) (*int32, error) {
	if n == nil {
		return nil, nil
	}
	if *n < math.MinInt32 || *n > math.MaxInt32 {
		return nil, fmt.Errorf("%s: %d is not between -2147483648 and 2147483647", key, *n)
	}
	small := int32(*n)
	return &small, nil
}
