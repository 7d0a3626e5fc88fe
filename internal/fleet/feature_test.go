package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// house is a device with a feature of each kind, and three more.
func house() Device {
	return Device{ID: "00c0de", Info: &Info{Features: map[string]string{
		"relay": Switch, "lamp": Light, "strip": Light, "motion": BinarySensor, "outside": Sensor, "screen": Sensor,
		"target": Number, "mode": Select, "bell": Button, "key": EventFeature, "blind": Cover, "valve": "valve",
	}}}
}

const houseAttributes = `{"outside":{"name":"Outside","unit":"°C","device_class":"temperature","precision":1,"state_class":"measurement"},
	"strip":{"brightness":true,"color":true,"icon":"mdi:led-strip"},"screen":{"text":true,"enabled":false},
	"target":{"min":5,"max":30,"step":0.1,"unit":"°C","category":"config"},"mode":{"options":["eco","comfort"]},
	"key":{"options":["single","double","long"]},"blind":{"position":true,"device_class":"blind"}}`

func TestTheStateOfFeaturesIsKnown(t *testing.T) {
	s := NewStates("home")
	d := Device{ID: "00c0de", Info: &Info{Features: map[string]string{"relay": Switch, "level": Sensor}}}
	for _, m := range []struct {
		topic, payload string
		news           bool
	}{
		{"home/00c0de/relay", "1", true},
		{"home/00c0de/relay", "1", false},
		{"home/00c0de/other", "-12.5", true},
		{"home/00c0de/gone", "1", true},
		{"home/00c0de/gone", "", true},
		{"home/00c0de/never", "", false},
		{"home/00c0de/strange", "{{ states }}", true}, // whatever publishes there, it is no feature
		{"home/00c0de/status", "1", false},
		{"home/00c0de/setting", "1", false},
		{"home/00c0de/settings", "1", false},
		{"home/00c0de/relay/set", "1", false},
		{"home/00c0de/ä", "1", false},
		{"home/00C0DE/relay", "1", false},
		{"other/00c0de/relay", "1", false},
		{"home/00c0de/" + strings.Repeat("a", 33), "1", false},
	} {
		if id, _, news := s.Handle(m.topic, []byte(m.payload), time.Time{}); news != m.news || news && id != "00c0de" {
			t.Errorf("%s %q: %s, news %v, want %v", m.topic, m.payload, id, news, m.news)
		}
	}
	want := []Feature{{Device: "00c0de", Name: "level", Kind: Sensor}, {Device: "00c0de", Name: "other", Value: "-12.5"}, {Device: "00c0de", Name: "relay", Kind: Switch, Value: "1"}}
	if got := s.Of(d); !reflect.DeepEqual(got, want) {
		t.Errorf("features %v, want %v", got, want)
	}
	if problems := s.Problems(d); len(problems) > 0 {
		t.Errorf("problems %q", problems)
	}
	s.Remove("00c0de")
	if got := s.Of(Device{ID: "00c0de"}); len(got) > 0 || s.kept != 0 {
		t.Errorf("it is removed, and has %v; %d states are kept", got, s.kept)
	}
}

// What a state means depends on the kind and the attributes, whichever comes first. What is no state is
// a problem of the device.
func TestStatesOfAllKinds(t *testing.T) {
	d := house()
	for _, c := range []struct{ name, payload, value, problem string }{
		{"relay", "1", "1", ""},
		{"relay", "2", "", `relay: "2" is not 1 or 0`},
		{"relay", "None", "", `relay: "None" is not 1 or 0`},
		{"lamp", "0", "0", ""},
		{"lamp", "ON", "", `lamp: "ON" is not 1, 0 or the state of a light`},
		{"strip", `{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, `{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, ""},
		{"strip", `{ "color_mode":"rgb", "state":"OFF" }`, `{"state":"OFF"}`, ""},
		{"strip", `{"state":"ON","brightness":256}`, "", `strip: "{"state":"ON","brightness":256}"`},
		{"strip", `{"state":"ON","color":{"r":1,"g":2}}`, "", "is not 1, 0 or the state of a light"},
		{"strip", `{"brightness":1}`, "", "is not 1, 0 or the state of a light"},
		{"strip", `null`, "", "is not 1, 0 or the state of a light"},
		{"strip", `{"state":"ON"`, "", "is not 1, 0 or the state of a light"},
		{"motion", "None", "None", ""},
		{"motion", "true", "", `motion: "true" is not 1, 0 or None`},
		{"outside", "-12.50", "-12.50", ""},
		{"outside", "None", "None", ""},
		{"outside", "NaN", "", `outside: "NaN" is not a number or None`},
		{"outside", "0x10", "", "is not a number"},
		{"outside", "--1", "", "is not a number"},
		{"outside", "1e3", "", "is not a number"},
		{"outside", "{{ states }}", "", "is not a number"},
		{"outside", strings.Repeat("1", 25), "", "is not a number"},
		{"outside", strings.Repeat("1", 24), strings.Repeat("1", 24), ""},
		{"screen", "Hé {{ x }}", "Hé {{ x }}", ""},
		{"screen", strings.Repeat("x", 64), strings.Repeat("x", 64), ""},
		{"screen", strings.Repeat("x", 65), "", "is not a text of at most 64 bytes"},
		{"screen", strings.Repeat("x", 129), "", "screen: what it published has more than 128 bytes"},
		{"screen", "\x1b[2J", "", "is not printable UTF-8"},
		{"screen", "\xff", "", "is not printable UTF-8"},
		{"target", "21.5", "21.5", ""},
		{"target", "None", "", `target: "None" is not a number`},
		{"mode", "eco", "eco", ""},
		{"mode", "ECO", "", `mode: "ECO" is not one of its options`},
		{"bell", "1", "", "bell: a button has no state"},
		{"blind", `{"state":"opening","position":40}`, `{"state":"opening","position":40}`, ""},
		{"blind", `{"state":"closed"}`, `{"state":"closed"}`, ""},
		{"blind", `{"state":"ajar"}`, "", "is not the state of a cover"},
		{"blind", `{"state":"open","position":101}`, "", "is not the state of a cover"},
		{"blind", `{"state":"open","position":1.5}`, "", "is not the state of a cover"},
		{"valve", "half <b>open</b>", "half <b>open</b>", ""},
		{"valve", "\x00", "", "is not printable UTF-8"},
	} {
		for _, attributesFirst := range []bool{true, false} {
			s := NewStates("home")
			if attributesFirst {
				s.Handle("home/00c0de/features", []byte(houseAttributes), time.Time{})
			}
			s.Handle("home/00c0de/"+c.name, []byte(c.payload), time.Time{})
			if !attributesFirst {
				s.Handle("home/00c0de/features", []byte(houseAttributes), time.Time{})
			}
			f := s.Feature(d, c.name)
			problems := strings.Join(s.Problems(d), "; ")
			if f.Value != c.value || (c.problem == "") != (problems == "") || !strings.Contains(strings.ReplaceAll(problems, `\"`, `"`), c.problem) {
				t.Errorf("%s %q: %q, problems %s", c.name, c.payload, f.Value, problems)
			}
			if i := slices.IndexFunc(s.Of(d), func(f Feature) bool { return f.Name == c.name }); !reflect.DeepEqual(s.Of(d)[i], f) {
				t.Errorf("%s: %+v, not %+v", c.name, s.Of(d)[i], f)
			}
		}
	}
}

// An event has no state: when it came counts, and what a broker retained came at an unknown time.
func TestEventsOfFeatures(t *testing.T) {
	s, d := NewStates("home"), house()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Handle("home/00c0de/features", []byte(houseAttributes), now)
	happens := func(payload string, at time.Time, news bool, value string, when time.Time) {
		t.Helper()
		if _, name, got := s.Handle("home/00c0de/key", []byte(payload), at); got != news || news && name != "key" {
			t.Errorf("%s at %v: %q, news %v", payload, at, name, got)
		}
		if f := s.Feature(d, "key"); f.Value != value || !f.At.Equal(when) {
			t.Errorf("%s at %v: last %q at %v", payload, at, f.Value, f.At)
		}
	}
	happens(`{"event_type":"long"}`, time.Time{}, false, "", time.Time{})
	happens(`{"event_type":"single"}`, now, true, "single", now)
	happens(`{"event_type":"single"}`, now.Add(time.Second), true, "single", now.Add(time.Second))
	happens(`{"event_type":"long"}`, time.Time{}, false, "single", now.Add(time.Second)) // the server has subscribed again
	happens(`{"event_type":"double","more":1}`, now.Add(time.Hour), true, "double", now.Add(time.Hour))
	happens(`{"event_type":"triple"}`, now.Add(2*time.Hour), true, "", time.Time{})
	if got := s.Problems(d); len(got) != 1 || !strings.HasPrefix(got[0], `key: "{\"event_type\":\"triple\"}" is not an event`) {
		t.Errorf("problems %q", got)
	}
	happens(`single`, now, true, "", time.Time{})
}

func TestADeviceCannotHaveAnyNumberOfFeatures(t *testing.T) {
	s := NewStates("home")
	for i := range 1000 {
		s.Handle(fmt.Sprintf("home/00c0de/f%d", i), []byte("1"), time.Time{})
		s.Handle(fmt.Sprintf("home/00c0de/g%d", i), []byte("\xff"), time.Time{})
	}
	if n := len(s.devices["00c0de"].payloads); n != maxStates || s.kept != n {
		t.Errorf("%d states are kept, want %d; %d in all", n, maxStates, s.kept)
	}
	s.kept = maxAllStates
	s.Handle("home/00c0df/relay", []byte("1"), time.Time{})
	s.Handle("home/00c0de/f0", []byte("2"), time.Time{})
	if got := s.Of(Device{ID: "00c0df"}); len(got) > 0 || s.Feature(Device{ID: "00c0de"}, "f0").Value != "2" {
		t.Errorf("there are too many, and there is %v", got)
	}
	if n := len(s.Problems(Device{ID: "00c0de", Info: &Info{Features: map[string]string{"g1": Switch, "g2": Switch}}})); n != 2 {
		t.Errorf("%d problems", n)
	}
}
