package wanted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"esper/internal/devicesetting"
	"esper/internal/fleet"
)

// memory is a storage.
type memory struct {
	all  []devicesetting.Wanted
	fail error
}

func (m *memory) WantedSettings(context.Context) ([]devicesetting.Wanted, error) {
	return m.all, m.fail
}
func (m *memory) SetWantedSetting(_ context.Context, w devicesetting.Wanted) error {
	m.all = append(m.all, w)
	return m.fail
}
func (m *memory) UnsetWantedSetting(context.Context, devicesetting.Scope, string, string) error {
	return m.fail
}

// world is a fleet of devices that take what they are told, unless they are stubborn.
type world struct {
	*testing.T
	*Settings
	fleet    *fleet.Fleet
	states   *fleet.SettingStates
	storage  *memory
	now      time.Time
	told     []string
	stubborn bool
}

func newWorld(t *testing.T, stored ...devicesetting.Wanted) *world {
	w := &world{T: t, storage: &memory{all: stored}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		fleet: fleet.New("home", slog.New(slog.DiscardHandler)), states: fleet.NewSettingStates("home")}
	var err error
	w.Settings, err = Open(t.Context(), Config{
		Storage: w.storage, Fleet: w.fleet, States: w.states, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Command: func(id, topic, payload string) error {
			w.told = append(w.told, id+" "+topic+" "+payload)
			if name := strings.TrimSuffix(topic, "/set"); !w.stubborn {
				w.states.Handle("home/"+id+"/"+name, []byte(payload), w.now)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const declarations = `{"interval":{"type":"number","default":"60","min":10,"max":100},"mode":{"type":"select","default":"slow","options":["slow","fast"]}}`

// device makes a device known that is online and has its defaults.
func (w *world) device(id, deviceType, group string) {
	w.fleet.Handle("home/"+id+"/info", fmt.Appendf(nil, `{"device":%q,"chip_id":%q,"version":{"esper":"v1","sequence":1},"uptime":1}`, deviceType, id), w.now)
	w.status(id, fleet.Online)
	w.fleet.Label(id, fleet.Labels{Group: group})
	w.states.Handle("home/"+id+"/setting", []byte(declarations), w.now)
	w.states.Handle("home/"+id+"/setting/interval", []byte("60"), w.now)
	w.states.Handle("home/"+id+"/setting/mode", []byte("slow"), w.now)
}

func (w *world) status(id, status string) {
	w.fleet.Handle("home/"+id+"/status", []byte(status), w.now)
}

// expect compares what devices have been told since the last time.
func (w *world) expect(what string, told ...string) {
	w.Helper()
	if got := strings.Join(w.told, ", "); got != strings.Join(told, ", ") {
		w.Errorf("%s: told %s; not %s", what, got, strings.Join(told, ", "))
	}
	w.told = nil
}

func (w *world) set(scope devicesetting.Scope, of, name, value string) {
	w.Helper()
	if err := w.Set(w.Context(), devicesetting.Wanted{Scope: scope, Of: of, Name: name, Value: value}); err != nil {
		w.Error(err)
	}
}

func (w *world) of(id, name string) Setting {
	for _, d := range w.fleet.Devices() {
		for _, s := range w.Of(d).Settings {
			if d.ID == id && s.Name == name {
				return s
			}
		}
	}
	return Setting{}
}

func TestADeviceHasPrecedenceOverItsGroupAndThatOverItsType(t *testing.T) {
	w := newWorld(t, devicesetting.Wanted{Scope: devicesetting.OfType, Of: "lamp", Name: "interval", Value: "20"})
	w.device("000001", "lamp", "kitchen")
	w.device("000002", "lamp", "")
	w.device("000003", "socket", "kitchen")
	w.Look()
	w.expect("by type", "000001 setting/interval/set 20", "000002 setting/interval/set 20")
	w.set(devicesetting.OfGroup, "kitchen", "interval", "30")
	w.expect("by group", "000001 setting/interval/set 30", "000003 setting/interval/set 30")
	w.set(devicesetting.OfDevice, "000001", "interval", "40")
	w.expect("by device", "000001 setting/interval/set 40")
	w.set(devicesetting.OfGroup, "kitchen", "interval", "50")
	w.expect("the device stays", "000003 setting/interval/set 50")
	if s := w.of("000001", "interval"); *s.Wanted != "40" || s.From != devicesetting.OfDevice || *s.Value != "40" || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	unset := func(scope devicesetting.Scope, of string) {
		t.Helper()
		if err := w.Unset(t.Context(), scope, of, "interval"); err != nil {
			t.Error(err)
		}
	}
	unset(devicesetting.OfDevice, "000001")
	w.expect("back to the group", "000001 setting/interval/set 50")
	unset(devicesetting.OfGroup, "kitchen")
	w.expect("back to the type", "000001 setting/interval/set 20")
	unset(devicesetting.OfType, "lamp")
	w.states.Handle("home/000001/setting/interval", []byte("70"), w.now) // it may be set by others now
	w.Look()
	w.expect("nothing")
	w.fleet.Label("000002", fleet.Labels{Group: "kitchen"})
	w.Look()
	w.expect("no group's values are left")
}

func TestADeviceIsToldWhenItIsOnlineAndOnlyOnce(t *testing.T) {
	w := newWorld(t)
	w.device("000001", "lamp", "")
	w.status("000001", fleet.Offline)
	w.set(devicesetting.OfDevice, "000001", "mode", "fast")
	w.expect("offline")
	w.stubborn = true // until it has answered
	w.status("000001", fleet.Online)
	for range 10 {
		w.Look()
	}
	w.expect("online", "000001 setting/mode/set fast")
	w.states.Handle("home/000001/setting/mode", []byte("fast"), w.now)
	w.now = w.now.Add(time.Minute)
	w.Look()
	w.expect("it has answered")
	w.stubborn = false
	w.states.Handle("home/000001/setting/mode", []byte("slow"), w.now) // somebody else
	w.Look()
	w.expect("again", "000001 setting/mode/set fast")
	w.states.Handle("home/000001/setting", nil, w.now) // and its firmware changes
	w.Look()
	w.expect("nothing that it does not declare")
}

// Neither a device that refuses nor somebody who sets the setting again is told without an end.
func TestADeviceThatDoesNotTakeAValueIsNotToldForEver(t *testing.T) {
	for _, answers := range []bool{false, true} {
		w := newWorld(t)
		w.device("000001", "lamp", "")
		w.stubborn = !answers
		w.set(devicesetting.OfDevice, "000001", "interval", "20")
		day := func() (n int, last time.Duration) {
			begun := w.now
			for w.now.Sub(begun) < 23*time.Hour {
				if before := len(w.told); before > 0 {
					w.states.Handle("home/000001/setting/interval", []byte("30"), w.now)
				}
				w.Look()
				if len(w.told) > n {
					n, last = len(w.told), w.now.Sub(begun)
				}
				w.now = w.now.Add(2 * time.Second)
			}
			return n, last
		}
		if n, last := day(); n != maxTries || last < 4*time.Minute || last > 7*time.Minute {
			t.Errorf("answers %v: told %d times, the last after %v", answers, n, last)
		}
		if s := w.of("000001", "interval"); !strings.Contains(s.Problem, "told 6 times") {
			t.Errorf("%+v", s)
		}
		w.told = nil
		w.now = w.now.Add(time.Hour)
		if n, _ := day(); n != maxTries {
			t.Errorf("the day after told %d times", n)
		}
		w.told, w.stubborn = nil, false
		w.set(devicesetting.OfDevice, "000001", "interval", "20") // asked for again
		w.expect("asked for again", "000001 setting/interval/set 20")
		if s := w.of("000001", "interval"); s.Problem != "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestWhatNoDeviceAllowsCannotBeWanted(t *testing.T) {
	w := newWorld(t)
	w.device("000001", "lamp", "kitchen")
	w.fleet.Handle("home/000002/status", []byte(fleet.Online), w.now)
	for _, c := range []struct {
		scope           devicesetting.Scope
		of, name, value string
		why             error
		says            string
	}{
		{devicesetting.OfDevice, "000001", "interval", "101", ErrValue, "101 is more than 100"},
		{devicesetting.OfDevice, "000001", "mode", "", ErrValue, "none of slow, fast"},
		{devicesetting.OfDevice, "000001", "intervall", "20", ErrNoSetting, "device 000001 declares no setting intervall"},
		{devicesetting.OfDevice, "000002", "interval", "20", ErrNoSetting, "declares no setting"},
		{devicesetting.OfGroup, "kitchen", "interval", "9", ErrValue, "less than 10"},
		{devicesetting.OfGroup, "kitchen", "other", "9", ErrNoSetting, "group kitchen"},
		{devicesetting.OfGroup, "", "interval", "20", ErrValue, "has no name"},
		{devicesetting.OfType, "lamp", "a b", "20", ErrValue, "cannot be the name"},
		{devicesetting.OfType, "lamp", "interval", "\x1b", ErrValue, "printable"},
		{devicesetting.OfType, "later", "interval", strings.Repeat("x", 65), ErrValue, "at most 64 bytes"},
		{devicesetting.OfType, "later", "interval", "20", nil, ""}, // no such device yet
	} {
		err := w.Set(t.Context(), devicesetting.Wanted{Scope: c.scope, Of: c.of, Name: c.name, Value: c.value})
		if !errors.Is(err, c.why) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	w.expect("nothing")
	w.storage.fail = errors.New("full")
	if err := w.Set(t.Context(), devicesetting.Wanted{Scope: devicesetting.OfDevice, Of: "000001", Name: "mode", Value: "fast"}); err == nil {
		t.Error("what is not stored is wanted")
	}
	w.expect("what is not stored is not told")
}

// A firmware that allows less makes a problem of what was fine, and is told nothing.
func TestAnUpdateMayMakeAWantedValueWrong(t *testing.T) {
	w := newWorld(t)
	w.device("000001", "lamp", "")
	w.set(devicesetting.OfDevice, "000001", "interval", "90")
	w.told = nil
	w.states.Handle("home/000001/setting", []byte(strings.Replace(declarations, "100", "80", 1)), w.now)
	w.states.Handle("home/000001/setting/interval", []byte("60"), w.now)
	w.Look()
	w.expect("nothing")
	if s := w.of("000001", "interval"); !strings.Contains(s.Problem, "does not allow what is wanted for the device: 90 is more than 80") {
		t.Errorf("%+v", s)
	}
	w.Remove("000001")
	if s := w.of("000001", "interval"); s.Wanted != nil {
		t.Errorf("%+v", s)
	}
}

func TestADeviceThatWakesIsToldBeforeTheNextLook(t *testing.T) {
	w := newWorld(t, devicesetting.Wanted{Scope: devicesetting.OfDevice, Of: "00c0de", Name: "interval", Value: "30"})
	w.LookAt("00c0de")
	w.expect("not known yet")
	w.device("00c0de", "sensor", "")
	w.device("00beef", "sensor", "")
	w.status("00c0de", fleet.Sleeping)
	w.LookAt("00c0de")
	w.expect("asleep")
	w.status("00c0de", fleet.Online)
	w.LookAt("00beef")
	w.expect("of another device")
	w.LookAt("00c0de")
	w.expect("awake", "00c0de setting/interval/set 30")
	w.LookAt("00c0de")
	w.expect("it has it")
}
