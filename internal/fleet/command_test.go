package fleet

import (
	"strings"
	"testing"
	"time"
)

// Each kind accepts what docs/SPEC.md section 7.6 says, and the error says what that is.
func TestCommandsToAllKinds(t *testing.T) {
	s, d := NewStates("home"), house()
	s.Handle("home/00c0de/features", []byte(houseAttributes), time.Time{})
	for name, c := range map[string]struct {
		good, bad []string
		says      string
	}{
		"relay": {[]string{"1", "0"}, []string{"", "2", "on", "None", "1 "}, "accepts 1 or 0, not"},
		"lamp":  {[]string{"1", "0"}, []string{`{"state":"ON"}`, "128"}, "accepts 1 or 0, not"},
		"strip": {[]string{"1", "0", `{"state":"OFF"}`, `{"brightness":0}`, `{"color":{"r":1,"g":2,"b":3}}`, ` {"state":"ON","brightness":255}`},
			[]string{"{}", "null", "[]", "128", `{"state":"on"}`, `{"brightness":256}`, `{"brightness":-1}`, `{"brightness":"1"}`, `{"color":{"r":1,"g":2}}`,
				`{"color":{"r":1,"g":2,"b":3,"w":4}}`, `{"effect":"rainbow"}`, `{"state":"ON"}{"state":"OFF"}`, `{"state":"ON"`, `{"brightness":1}` + strings.Repeat(" ", 200)},
			`accepts 1, 0 or some of {"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}, not`},
		"motion":  {nil, []string{"1"}, "takes no commands: it is a binary_sensor"},
		"outside": {nil, []string{"1"}, "takes no commands: it is a sensor"},
		"target": {[]string{"5", "30", "21.5", "7.3", "29.90", "5.1"}, []string{"", "4.9", "30.1", "21.55", "1e1", "0x10", "10/1", "ten", "10 ", "1" + strings.Repeat("0", 30)},
			"accepts a number from 5 to 30 in steps of 0.1 °C, not"},
		"mode":  {[]string{"eco", "comfort"}, []string{"", "ECO", "eco,comfort", "0"}, "accepts eco or comfort, not"},
		"bell":  {[]string{"press"}, []string{"", "1", "PRESS"}, "accepts press, not"},
		"key":   {nil, []string{"single"}, "takes no commands: it is an event"},
		"blind": {[]string{"open", "close", "stop", "0", "100", "40"}, []string{"", "OPEN", "101", "-1", "40.5", "null", "opening", "007"}, "accepts open, close, stop or a position from 0 to 100, not"},
		"valve": {nil, []string{"open"}, "takes no commands: it is a valve"},
		"other": {nil, []string{"1"}, "takes no commands: it is of unknown kind"},
	} {
		f := s.Feature(d, name)
		for _, value := range c.good {
			if got, err := f.Command(value); err != nil || got != value {
				t.Errorf("%s %q: %q %v", name, value, got, err)
			}
		}
		for _, value := range c.bad {
			if _, err := f.Command(value); err == nil || !strings.Contains(err.Error(), name+" of device 00c0de "+c.says) {
				t.Errorf("%s %q: %v", name, value, err)
			}
		}
	}
	// Without attributes.
	s = NewStates("home")
	for name, says := range map[string]string{
		"strip": "accepts 1 or 0, not", "target": "accepts a number from 0 to 100 in steps of 1, not",
		"mode": "takes no commands: it is a select that has not said its options", "blind": "accepts open, close or stop, not",
	} {
		if _, err := s.Feature(d, name).Command("1.5"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Feature(d, "blind").Command("40"); err == nil {
		t.Error("a cover without a position takes one")
	}
	for kind := range map[string]bool{Light: true, Cover: true} {
		f := Feature{Kind: kind, Attributes: Attributes{Brightness: true}}
		if _, err := f.Command(`{"color":{"r":1,"g":2,"b":3}}`); err == nil {
			t.Errorf("a %s without a color takes one", kind)
		}
	}
}
