package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/devicesetting"
)

func TestSettingsAreKnown(t *testing.T) {
	s := NewSettingStates("home")
	const declared = `{"interval":{"type":"number","default":"60","min":10,"new":"member"},"greeting":{"type":"text","default":"","length":9}}`
	for _, m := range []struct {
		topic, payload string
		news           bool
	}{
		{"home/00c0de/setting/interval", "", false},
		{"home/00c0de/setting/interval", "65", true},
		{"home/00c0de/setting/interval", "65", false},
		{"home/00c0de/setting", declared, true},
		{"home/00c0de/setting", declared, false},
		{"home/00c0de/setting/interval", "70", true},
		{"home/00c0de/setting/other", "1", true}, // of older firmware
		{"home/00c0de/setting/interval/set", "80", false},
		{"home/00c0de/setting/Interval", "80", false},
		{"home/00c0de/settings", "{}", false},
		{"home/00c0de/settings/interval", "80", false},
		{"home/00C0DE/setting/interval", "80", false},
		{"other/00c0de/setting/interval", "80", false},
		{"home/00c0de/setting/greeting", "é", true},
		{"home/00c0de/setting/greeting", "", true},
	} {
		if id, news := s.Handle(m.topic, []byte(m.payload), time.Time{}); news != m.news || news && id != "00c0de" {
			t.Errorf("%s %q: %s, news %v", m.topic, m.payload, id, news)
		}
	}
	got := s.Of("00c0de")
	if len(got.Declared) != 2 || got.Declared["interval"].Default != "60" || len(got.Values) != 1 || len(got.Problems) != 0 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"interval": "70", "greeting": ""} {
		if value, known := got.Value(name); !known || value != want {
			t.Errorf("%s is %q, %v", name, value, known)
		}
	}
	for _, name := range []string{"", "/interval", "/other"} {
		s.Handle("home/00c0de/setting"+name, nil, time.Time{})
	}
	if n := len(s.devices); n != 0 {
		t.Errorf("%d devices are known when all is removed", n)
	}
}

// What cannot be used is left out and named.
func TestProblemsOfSettings(t *testing.T) {
	many := "{"
	for i := range devicesetting.Max + 1 {
		many += fmt.Sprintf(`"s%02d":{"type":"switch","default":"0"},`, i)
	}
	for payload, want := range map[string]struct {
		known   int
		problem string
	}{
		"":     {0, ""},
		"null": {0, "setting: not a JSON object; all of it is ignored"},
		"[1]":  {0, "setting: not a JSON object; all of it is ignored"},
		"{":    {0, "setting: not JSON; all of it is ignored"},
		`{"a":"` + strings.Repeat("x", devicesetting.MaxDeclarations) + `"}`: {0, "setting: longer than 2560 bytes; all of it is ignored"},
		`{"a":1,"b":{"type":"switch","default":"0"}}`:                        {1, "setting: a: it is not a declaration"},
		`{"a":{"type":"switch","default":true}}`:                             {0, "setting: a: it is not a declaration"},
		`{"a":{"type":"colour","default":"red"}}`:                            {0, `setting: a: type: "colour" is none of number, switch, select and text`},
		`{"a":{"type":"number","default":"9","max":8}}`:                      {0, "setting: a: default: 9 is more than 8"},
		`{"a":{"type":"number","default":"9","max":4294967296}}`:             {0, "setting: a: it is not a declaration"},
		`{"a\u202e":{"type":"switch","default":"0"}}`:                        {0, "setting: a�: cannot be the name of a setting"},
		`{"a":{"type":"switch","default":"0","label":"\u001b[2J"}}`:          {0, `setting: a: label: "\x1b[2J" is not at most 64 bytes of printable text`},
		strings.TrimSuffix(many, ",") + "}":                                  {16, "setting: s16: there are more than 16"},
	} {
		s := NewSettingStates("home")
		s.Handle("home/00c0de/setting", []byte(payload), time.Time{})
		got := s.Of("00c0de")
		var problems []string
		if want.problem != "" {
			problems = []string{want.problem}
		}
		if len(got.Declared) != want.known || !slices.Equal(got.Problems, problems) {
			t.Errorf("%.40s: %d known, %q", payload, len(got.Declared), got.Problems)
		}
	}
	s := NewSettingStates("home")
	s.Handle("home/00c0de/setting", []byte(`{"a":{"type":"text","default":"","length":9}}`), time.Time{})
	s.Handle("home/00c0de/setting/a", []byte("fine"), time.Time{})
	for _, bad := range []string{strings.Repeat("x", 65), "\x1b", "\xff"} {
		s.Handle("home/00c0de/setting/a", []byte(bad), time.Time{})
		if got := s.Of("00c0de"); len(got.Problems) != 1 || len(got.Values) != 0 {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	s.Handle("home/00c0de/setting/a", []byte("fine again"), time.Time{})
	if got := s.Of("00c0de"); len(got.Problems) != 0 || got.Values["a"] != "fine again" {
		t.Errorf("%+v", got)
	}
	for i := range 1000 {
		s.Handle(fmt.Sprintf("home/00c0de/setting/s%d", i), []byte("x"), time.Time{})
		s.Handle(fmt.Sprintf("home/00c0de/setting/t%d", i), []byte("\xff"), time.Time{})
	}
	if n, problems := len(s.devices["00c0de"].values), len(s.devices["00c0de"].problems); n > maxSettingValues || problems > maxSettingValues {
		t.Errorf("%d values and %d problems are kept", n, problems)
	}
}

// Firmware without settings says nothing of them, so it would keep those of the firmware before.
func TestSettingsOfFormerFirmwareAreForgotten(t *testing.T) {
	s := NewSettingStates("home")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	declare := func(at time.Time) {
		s.Handle("home/00c0de/setting", []byte(`{"a":{"type":"switch","default":"0"}}`), at)
		s.Handle("home/00c0de/setting/a", []byte("1"), at)
	}
	connected := func(what, want string) {
		t.Helper()
		if got := strings.Join(s.Connected("00c0de", now), " "); got != want {
			t.Errorf("%s: to be removed: %q", what, got)
		}
	}
	connected("nothing is known", "")
	declare(time.Time{})
	connected("they may have come before the server", "")
	now = now.Add(time.Hour)
	declare(now)
	now = now.Add(20 * time.Second)
	connected("reported just before", "")
	now = now.Add(time.Hour)
	connected("not reported again", "setting setting/a")
	if got := s.Of("00c0de"); got.Declared != nil {
		t.Errorf("%+v", got)
	}
	connected("twice", "")
}

// Whatever a device declares, what is kept of it is within the limits, and what is left out is named.
func FuzzParseDeclarations(f *testing.F) {
	f.Add(`{"interval":{"type":"number","label":"Interval","default":"60","min":10,"max":3600,"step":5,"unit":"s"}}`)
	f.Add(`{"mode":{"type":"select","default":"slow","options":["slow","fast"]},"a":{"type":"text","default":"","length":9}}`)
	f.Add(`{"a":{"type":"switch","default":"1"},"a":{"type":"switch","default":"2"},"b":null,"":{}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		declared, problems, err := ParseDeclarations([]byte(payload))
		if err != nil {
			return
		}
		if len(declared) > devicesetting.Max || len(problems) > maxProblems {
			t.Errorf("%d settings, %d problems", len(declared), len(problems))
		}
		for name, d := range declared {
			if err := d.Validate(); err != nil || !devicesetting.IsName(name) {
				t.Errorf("%q: %v", name, err)
			}
			if err := d.Check(d.Default); err != nil {
				t.Errorf("%q: its default: %v", name, err)
			}
		}
		for _, p := range problems {
			if p != printable(p) && len(p) < maxText {
				t.Errorf("problem %q", p)
			}
		}
	})
}
