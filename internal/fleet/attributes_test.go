package fleet

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Attributes are written in JSON as devices write them, so what is read can be compared as text.
func TestAttributesAreKnown(t *testing.T) {
	s, d := NewStates("home"), house()
	changed := s.Changed()
	for i, news := range []bool{true, false} {
		if id, name, got := s.Handle("home/00c0de/features", []byte(houseAttributes), time.Time{}); got != news || id != "00c0de" || name != "" {
			t.Errorf("time %d: %q %q %v", i, id, name, got)
		}
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told that they have changed")
	}
	if problems := s.Problems(d); len(problems) > 0 {
		t.Errorf("problems %q", problems)
	}
	got, err := json.Marshal(s.Attributes(d))
	if err != nil {
		t.Fatal(err)
	}
	var have, want any
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(houseAttributes), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("attributes %s", got)
	}
	if f := s.Feature(d, "screen"); !f.Attributes.Hidden() || f.Title() != "screen" || s.Feature(d, "outside").Title() != "Outside" {
		t.Errorf("%+v", f)
	}
	if least, most, step := s.Feature(d, "target").Attributes.Bounds(); least != 5 || most != 30 || step != 0.1 {
		t.Errorf("from %v to %v in steps of %v", least, most, step)
	}
	if least, most, step := s.Feature(d, "relay").Attributes.Bounds(); least != 0 || most != 100 || step != 1 {
		t.Errorf("without attributes from %v to %v in steps of %v", least, most, step)
	}
	d.Info.Features = nil
	if got := s.Attributes(d); len(got) != 0 || len(s.Problems(d)) != 0 {
		t.Errorf("in safe mode: %v, %q", got, s.Problems(d))
	}
	if _, _, news := s.Handle("home/00c0de/features", nil, time.Time{}); !news || len(s.devices) != 0 {
		t.Errorf("removed: news %v, %d devices", news, len(s.devices))
	}
}

// What cannot be used is left out and named; the rest stays.
func TestProblemsOfAttributes(t *testing.T) {
	many := "{"
	for i := range maxFeatures + 1 {
		many += fmt.Sprintf(`"f%02d":{},`, i)
	}
	options := `["a"` + strings.Repeat(`,"x"`, 1) + `]`
	for message, want := range map[string]string{
		"":     "",
		"null": "features: not a JSON object; all of it is ignored",
		"[1]":  "features: not a JSON object; all of it is ignored",
		"{":    "features: not JSON; all of it is ignored",
		`{"relay":{"name":"` + strings.Repeat("x", maxAttributes) + `"}}`: "features: longer than 2560 bytes; all of it is ignored",
		strings.TrimSuffix(many, ",") + "}":                               "features: f32: there are more than 32",
		`{"relay":1,"lamp":{"name":"L"}}`:                                 "features: relay: 1 is not an object",
		`{"status":{}}`:                                                   "features: status: cannot be the name of a feature",
		`{"a\u202e":{}}`:                                                  "features: a�: cannot be the name of a feature",
		`{"absent":{"name":"x"}}`:                                         "features: absent: its info names no such feature",
		`{"relay":{"name":"` + strings.Repeat("x", 65) + `"}}`:            "features: relay.name: \"" + strings.Repeat("x", 39) + "… is not printable text of at most 64 bytes",
		`{"relay":{"name":"\u001b[2J"}}`:                                  `features: relay.name: "\u001b[2J" is not printable text of at most 64 bytes`,
		`{"relay":{"icon":"MDI:fan"}}`:                                    `features: relay.icon: "MDI:fan" is not the name of an icon, such as mdi:fan`,
		`{"relay":{"category":"other"}}`:                                  `features: relay.category: "other" is not diagnostic or config`,
		`{"outside":{"category":"config"}}`:                               "features: outside.category: a feature of kind sensor takes no commands, so it cannot be config",
		`{"relay":{"enabled":1}}`:                                         "features: relay.enabled: 1 is not true or false",
		`{"relay":{"enabled":null}}`:                                      "features: relay.enabled: null is not true or false",
		`{"relay":{"device_class":"A B"}}`:                                `features: relay.device_class: "A B" is not a device class of Home Assistant`,
		`{"lamp":{"device_class":"lamp"}}`:                                "features: lamp.device_class: a feature of kind light has none",
		`{"mode":{"device_class":"enum"}}`:                                "features: mode.device_class: a feature of kind select has none",
		`{"relay":{"unit":"W"}}`:                                          "features: relay.unit: a feature of kind switch has none",
		`{"outside":{"unit":"` + strings.Repeat("°", 9) + `"}}`:           `features: outside.unit: "°°°°°°°°°" is not printable text of at most 16 bytes`,
		`{"outside":{"precision":7}}`:                                     "features: outside.precision: 7 is not a number from 0 to 6",
		`{"outside":{"precision":1.5}}`:                                   "features: outside.precision: 1.5 is not a number from 0 to 6",
		`{"target":{"precision":0}}`:                                      "features: target.precision: a feature of kind number has none",
		`{"outside":{"state_class":"sum"}}`:                               `features: outside.state_class: "sum" is not measurement, total or total_increasing`,
		`{"outside":{"min":1}}`:                                           "features: outside.min: a feature of kind sensor has none",
		`{"target":{"min":"1"}}`:                                          `features: target.min: "1" is not a decimal number of at most 24 characters`,
		`{"target":{"min":1e1}}`:                                          `features: target.min: 1e1 is not a decimal number of at most 24 characters`,
		`{"target":{"min":100}}`:                                          `features: target.min: 100 is not less than max, 100`,
		`{"target":{"step":0}}`:                                           `features: target.step: 0 is not above 0 and at most max - min`,
		`{"target":{"step":100.5}}`:                                       `features: target.step: 100.5 is not above 0 and at most max - min`,
		`{"mode":{"options":["a"]}}`:                                      "features: mode.options: there is one, but a select has at least 2",
		`{"key":{"options":["a"]}}`:                                       "",
		`{"mode":{"options":["a","a"]}}`:                                  `features: mode.options: ["a","a"] is not a list of 1 to 16 different texts of 1 to 32 bytes`,
		`{"mode":{"options":[]}}`:                                         `features: mode.options: [] is not a list of 1 to 16 different texts of 1 to 32 bytes`,
		`{"relay":{"options":` + options + `}}`:                           "features: relay.options: a feature of kind switch has none",
		`{"relay":{"brightness":true}}`:                                   "features: relay.brightness: a feature of kind switch has none",
		`{"relay":{"color":true}}`:                                        "features: relay.color: a feature of kind switch has none",
		`{"relay":{"position":true}}`:                                     "features: relay.position: a feature of kind switch has none",
		`{"relay":{"text":true}}`:                                         "features: relay.text: a feature of kind switch has none",
		`{"relay":{"new":{"member":1}}}`:                                  "",
		`{"valve":{"position":true,"min":3}}`:                             "",
	} {
		s := NewStates("home")
		d := house()
		for i := range maxFeatures {
			d.Info.Features[fmt.Sprintf("f%02d", i)] = Switch
		}
		s.Handle("home/00c0de/features", []byte(message), time.Time{})
		var problems []string
		if want != "" {
			problems = []string{want}
		}
		if got := s.Problems(d); !slices.Equal(got, problems) {
			t.Errorf("%.60s: %q", message, got)
		}
	}
	s := NewStates("home")
	s.Handle("home/00c0de/features", []byte(`{"outside":{"name":"Outside","unit":7,"precision":2,"brightness":true},"absent":{"name":"x"},"relay":[]}`), time.Time{})
	got := s.Feature(house(), "outside").Attributes
	if got.Name != "Outside" || *got.Precision != 2 || got.Unit != "" || got.Brightness || len(s.Problems(house())) != 4 {
		t.Errorf("%+v, problems %q", got, s.Problems(house()))
	}
}

// Firmware without attributes publishes none, so it would keep those of the firmware before.
func TestAttributesOfFormerFirmwareAreForgotten(t *testing.T) {
	s, d := NewStates("home"), house()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	publish := func(message string, at time.Time) {
		s.Handle("home/00c0de/features", []byte(message), at)
		s.Handle("home/00c0de/relay", []byte("1"), at)
	}
	connected := func(what, want string) {
		t.Helper()
		if got := strings.Join(s.Connected("00c0de", now), " "); got != want {
			t.Errorf("%s: to be removed: %q", what, got)
		}
	}
	connected("nothing is known", "")
	publish(houseAttributes, time.Time{})
	connected("they may have come before the server", "")
	now = now.Add(time.Hour)
	publish(houseAttributes, now)
	now = now.Add(20 * time.Second)
	connected("published just before", "")
	now = now.Add(time.Hour)
	connected("not published again", "features")
	if got := s.Attributes(d); len(got) != 0 || s.Feature(d, "relay").Value != "1" {
		t.Errorf("%v", got)
	}
	connected("twice", "")
	publish("nonsense", time.Time{})
	connected("what could not be used", "features")
}

// Whatever a device publishes, what is kept of it is within the limits, and what is left out is named.
func FuzzParseAttributes(f *testing.F) {
	f.Add(houseAttributes, "{}")
	f.Add(`{"mode":{"options":["a","a"]},"target":{"min":-1.5,"max":-1,"step":0.25}}`, "21.5")
	f.Add(`{"lamp":{"brightness":true},"lamp":{"color":null},"b":null,"":{}}`, `{"state":"ON","brightness":3}`)
	f.Fuzz(func(t *testing.T, message, state string) {
		s, d := NewStates("home"), house()
		s.Handle("home/00c0de/features", []byte(message), time.Time{})
		for name := range d.Info.Features {
			s.Handle("home/00c0de/"+name, []byte(state), time.Now())
		}
		problems := s.Problems(d)
		if len(problems) > maxProblems {
			t.Errorf("%d problems", len(problems))
		}
		for _, feature := range s.Of(d) {
			a := feature.Attributes
			least, most, step := a.Bounds()
			if len(a.Name) > maxText || len(a.Unit) > maxUnit || len(a.Options) > maxOptions || !(least < most && step > 0) ||
				!isPrintable(a.Name+a.Unit+strings.Join(a.Options, "")) || len(feature.Value) > maxState || !isPrintable(feature.Value) {
				t.Errorf("%+v", feature)
			}
			if command, err := feature.Command(state); err == nil && (command != state || !Commands(feature.Kind)) {
				t.Errorf("%s accepts %q as %q", feature.Kind, state, command)
			}
		}
		for _, p := range problems {
			if !isPrintable(p) {
				t.Errorf("problem %q", p)
			}
		}
	})
}
