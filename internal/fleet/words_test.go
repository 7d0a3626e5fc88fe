package fleet

import (
	"testing"
	"time"
)

func TestStatesInWords(t *testing.T) {
	s, d := NewStates("home"), house()
	s.Handle("home/00c0de/features", []byte(houseAttributes), time.Time{})
	for _, c := range []struct{ name, payload, words string }{
		{"relay", "1", "on"}, {"relay", "0", "off"}, {"relay", "x", ""}, {"relay", "", ""},
		{"lamp", "1", "on"}, {"strip", "0", "off"}, {"strip", `{"state":"OFF"}`, "off"},
		{"strip", `{"state":"ON","brightness":128,"color":{"r":255,"g":128,"b":0}}`, "on, 50 %, #ff8000"},
		{"motion", "1", "on"}, {"motion", "None", "no value"},
		{"outside", "21.55", "21.6 °C"}, {"outside", "-3", "-3.0 °C"}, {"outside", "None", "no value"},
		{"screen", "None", "None"}, {"screen", "Hello", "Hello"}, {"target", "21.50", "21.50 °C"}, {"mode", "eco", "eco"},
		{"blind", `{"state":"opening","position":40}`, "opening, 40 %"}, {"blind", `{"state":"stopped"}`, "stopped"},
		{"valve", "half", "half"},
	} {
		s.Handle("home/00c0de/"+c.name, []byte(c.payload), time.Time{})
		if got := s.Feature(d, c.name).Words(); got != c.words {
			t.Errorf("%s %q: %q", c.name, c.payload, got)
		}
	}
}
