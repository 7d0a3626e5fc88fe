package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

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
		{"home/00c0de/status", "1", false},
		{"home/00c0de/setting", "1", false},
		{"home/00c0de/settings", "1", false},
		{"home/00c0de/relay/set", "1", false},
		{"home/00c0de/ä", "1", false},
		{"home/00C0DE/relay", "1", false},
		{"other/00c0de/relay", "1", false},
		{"home/00c0de/" + strings.Repeat("a", 33), "1", false},
		{"home/00c0de/relay", "NaN", false},
		{"home/00c0de/relay", "0x10", false},
		{"home/00c0de/relay", "--1", false},
		{"home/00c0de/relay", "{{ states }}", false},
		{"home/00c0de/relay", strings.Repeat("1", 100), false},
	} {
		if _, news := s.Handle(m.topic, []byte(m.payload)); news != m.news {
			t.Errorf("%s %q: news %v, want %v", m.topic, m.payload, news, m.news)
		}
	}
	want := []Feature{{"00c0de", "level", Sensor, ""}, {"00c0de", "other", "", "-12.5"}, {"00c0de", "relay", Switch, "1"}}
	if got := s.Of(d); !slices.Equal(got, want) {
		t.Errorf("features %v, want %v", got, want)
	}
}

func TestADeviceCannotHaveAnyNumberOfFeatures(t *testing.T) {
	s := NewStates("home")
	for i := range 100 {
		s.Handle(fmt.Sprintf("home/00c0de/f%d", i), []byte("1"))
	}
	if n := len(s.Of(Device{ID: "00c0de"})); n != maxFeatures {
		t.Errorf("%d features, want %d", n, maxFeatures)
	}
}
