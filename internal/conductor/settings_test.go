package conductor_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/settings"
	"esper/internal/store"
)

// settingsSite is a conductor of settings over a repository, and the fleet that reports to it.
type settingsSite struct {
	t          *testing.T
	repository *repository.Repository
	feed       *repository.Feed
	storage    store.Store
	fleet      *fleet.Fleet
	conductor  *conductor.Conductor
	handler    http.Handler
	plan       rollout.Plan
	now        time.Time
}

var settingsSigner = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func newSettingsSite(t *testing.T, plan rollout.Plan) *settingsSite {
	s := &settingsSite{t: t, plan: plan, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	var err error
	if s.repository, err = repository.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if s.storage, err = store.Open(t.Context(), store.InMemory); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.storage.Close() })
	s.open(nil)
	return s
}

func (s *settingsSite) open(devices []fleet.Device) {
	s.conductor = openConductor(s.t, conductor.Config{
		Plan: func(deviceType string) rollout.Plan {
			if deviceType != "socket" {
				s.t.Errorf("a plan for %q", deviceType)
			}
			return s.plan
		},
		Settings: true, Devices: devices, Keep: s.repository.Keep, Storage: s.storage.SettingsRollouts(),
		Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler),
	})
	s.fleet = fleet.New("home", slog.New(slog.DiscardHandler))
	s.fleet.Restore(devices)
	s.fleet.Follow(s.conductor.Report)
	s.feed = repository.NewSettingsFeed(s.repository, s.conductor.Published)
	s.handler = s.repository.HandlerFor(s.conductor.Choose, s.conductor.Seen)
	s.look()
}

func (s *settingsSite) look() {
	s.t.Helper()
	if err := s.feed.Look(); err != nil {
		s.t.Fatal(err)
	}
}

// publish publishes settings for all sockets or, with a chip id, for one.
func (s *settingsSite) publish(sequence uint32, chip string) {
	s.t.Helper()
	file, err := settings.Seal(settings.Header{Type: "socket", Chip: chip, Sequence: sequence},
		settings.Entries{settings.OfTexts("wifi.1", "barn", "")}, [][]byte{make([]byte, settings.KeySize)},
		[]ed25519.PrivateKey{settingsSigner}, rand.Reader)
	if err == nil {
		err = s.repository.PublishSettings("socket", file, []ed25519.PublicKey{settingsSigner.Public().(ed25519.PublicKey)})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.look()
	s.pass(0)
}

// general publishes settings for all sockets at once.
func (s *settingsSite) general(sequence uint32) {
	s.t.Helper()
	s.publish(sequence, "")
	if err := s.conductor.Everywhere(s.t.Context(), "socket.settings", "ann"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *settingsSite) pass(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); ; s.now = s.now.Add(30 * time.Second) {
		if err := s.conductor.Tick(s.t.Context(), true); err != nil {
			s.t.Fatal(err)
		}
		if !s.now.Before(end) {
			return
		}
	}
}

// says has a device report what its settings are at: state, sequence, candidate and error.
func (s *settingsSite) says(id, state string, sequence, candidate int, problem string) {
	s.t.Helper()
	text := fmt.Sprintf(`{"state":%q,"sequence":%d,"own":0,"candidate":%d,"from":"flash","error":%q}`, state, sequence, candidate, problem)
	s.fleet.Handle("home/"+id+"/settings", []byte(text), s.now)
}

// joins has a device come online; without settings it says nothing of them.
func (s *settingsSite) joins(id, group string, sequence int) {
	s.t.Helper()
	info := fmt.Sprintf(`{"device":"socket","chip_id":%q,"version":{"esper":"v1","sequence":1},"boot":{"rom":0},"uptime":9}`, id)
	s.fleet.Handle("home/"+id+"/status", []byte("ONLINE"), s.now)
	s.fleet.Handle("home/"+id+"/info", []byte(info), s.now)
	s.fleet.Label(id, fleet.Labels{Group: group})
	if sequence >= 0 {
		s.says(id, "idle", sequence, 0, "")
	}
}

// asks has a device ask for settings, and returns the sequence of those that it gets; 0: none.
func (s *settingsSite) asks(id string, sequence, own int) uint32 {
	s.t.Helper()
	q := httptest.NewRequest("GET", "/socket.settings", nil)
	q.Header.Set("X-Esper-Device", id)
	q.Header.Set("X-Esper-Settings", fmt.Sprint(sequence, " ", own))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, q)
	if w.Code == http.StatusNotFound {
		return 0
	}
	r, err := settings.ParseRelease(w.Body.Bytes())
	if err != nil {
		s.t.Fatalf("status %d: %v", w.Code, err)
	}
	return r.Sequence
}

func (s *settingsSite) state() rollout.State {
	s.t.Helper()
	all := s.conductor.Rollouts()
	if len(all) != 1 || all[0].Type != "socket.settings" {
		s.t.Fatalf("roll-outs %+v", all)
	}
	return all[0]
}

func TestSettingsAreRolledOutInStages(t *testing.T) {
	s := newSettingsSite(t, canaryFirst)
	s.general(1)
	s.joins("000001", "canary", 1)
	s.joins("000002", "", 1)
	s.joins("000003", "", -1) // firmware with its settings in the image
	s.publish(2, "")
	if got := s.state(); got.Status != rollout.Running || got.General.Version != "1" || got.Waiting != 1 {
		t.Fatalf("%+v", got)
	}
	if got := s.asks("000002", 1, 0); got != 1 {
		t.Errorf("before its stage a device gets %d", got)
	}
	if got := s.asks("000001", 1, 0); got != 2 {
		t.Errorf("the canary gets %d", got)
	}
	s.says("000001", "trial", 1, 2, "")
	s.pass(0)
	if got := s.state(); got.AtRisk != 1 || got.Confirmed != 0 {
		t.Errorf("on trial: %+v", got)
	}
	if why, err := s.conductor.Why("000001"); err != nil || why.Device.Last.State != rollout.TryTaken || why.Reason != rollout.InProgress {
		t.Errorf("%+v, %v", why, err)
	}
	s.now = s.now.Add(time.Minute)
	s.says("000001", "confirmed", 2, 0, "")
	s.pass(0)
	if got := s.state(); got.AtRisk != 0 || got.Confirmed != 1 || !got.Proven || got.Status != rollout.Running {
		t.Errorf("confirmed: %+v", got)
	}
	if got := s.asks("000001", 2, 0); got != 2 { // which it ignores
		t.Errorf("with the newest settings it gets %d", got)
	}
	if got := s.state(); got.AtRisk != 0 {
		t.Errorf("what it has puts it at risk: %+v", got)
	}
	s.pass(time.Hour + time.Minute)
	if got := s.asks("000002", 1, 0); got != 2 {
		t.Errorf("in the next stage a device gets %d", got)
	}
	if _, err := s.conductor.Why("000003"); err == nil {
		t.Error("a device without such settings takes part")
	}
	s.says("000002", "idle", 2, 0, "") // the report of the trial was lost
	s.pass(time.Hour)
	if got := s.state(); got.Status != rollout.Complete || got.Confirmed != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSettingsThatDoNotWorkStopTheirRollout(t *testing.T) {
	for what, c := range map[string]struct {
		state     string
		candidate int
		problem   string
		failure   rollout.Failure // empty: the device may try again
	}{
		"no broker":               {"rolled-back", 2, "no-broker", rollout.RolledBack},
		"another fleet key":       {"failed", 2, "wrong-fleet-key", rollout.Refused},
		"cannot be read":          {"failed", 0, "malformed-settings", rollout.Refused},
		"bad signature":           {"failed", 2, "bad-signature", rollout.Refused},
		"server does not answer":  {"failed", 0, "unreachable", ""},
		"flash":                   {"failed", 2, "flash", ""},
		"has something newer":     {"failed", 2, "not-newer", ""},
		"is about something past": {"rolled-back", 77, "no-wifi", ""},
		"is about what it has":    {"failed", 1, "malformed-settings", ""},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSettingsSite(t, canaryFirst)
			s.general(1)
			s.joins("000001", "canary", 1)
			s.publish(2, "")
			if got := s.asks("000001", 1, 0); got != 2 {
				t.Fatalf("it gets %d", got)
			}
			s.says("000001", c.state, 1, c.candidate, c.problem)
			s.pass(0)
			got := s.state()
			if (got.Status == rollout.Stopped) != (c.failure != "") {
				t.Errorf("%+v", got)
			}
			why, err := s.conductor.Why("000001")
			if err != nil || why.Device.Last.Failure != c.failure {
				t.Errorf("%+v, %v", why, err)
			}
			if c.failure == "" {
				return
			}
			if got := s.asks("000001", 1, 0); got != 1 {
				t.Errorf("afterwards it gets %d", got)
			}
			// What the server knows outlives it, and what was reported counts once.
			s.open(s.fleet.Devices())
			s.pass(0)
			if got := s.state(); got.Status != rollout.Stopped || got.Failed != 1 {
				t.Errorf("after a restart: %+v", got)
			}
			if err := s.conductor.Everywhere(t.Context(), "socket.settings", "ann"); err != nil {
				t.Fatal(err)
			}
			if err := s.conductor.Retry(t.Context(), "000001"); err != nil {
				t.Fatal(err)
			}
			if got := s.asks("000001", 1, 0); got != 2 {
				t.Errorf("when it is to try again it gets %d", got)
			}
		})
	}
}

// Devices have settings before the first release: from where they were flashed.
func TestTheFirstSettingsAreRolledOutInStages(t *testing.T) {
	s := newSettingsSite(t, canaryFirst)
	s.joins("000001", "canary", 0)
	s.joins("000002", "", 0)
	s.publish(1, "")
	if got := s.state(); got.Status != rollout.Running || got.Stage != 0 {
		t.Errorf("%+v", got)
	}
	for id, want := range map[string]uint32{"000001": 1, "000002": 0, "": 0} {
		if got := s.asks(id, 0, 0); got != want {
			t.Errorf("%s gets %d, not %d", id, got, want)
		}
	}
	s.says("000001", "confirmed", 1, 0, "")
	s.pass(time.Hour + 2*time.Minute)
	if got := s.asks("000002", 0, 0); got != 1 {
		t.Errorf("in the next stage a device gets %d", got)
	}
}

// A device that gets settings and is not heard of since may be out of reach because of them.
func TestADeviceThatFallsSilentWithItsSettingsHasFailed(t *testing.T) {
	s := newSettingsSite(t, canaryFirst)
	s.general(1)
	s.joins("000001", "canary", 1)
	s.publish(2, "")
	s.asks("000001", 1, 0)
	s.pass(canaryFirst.ReportWithin + time.Minute)
	if got := s.state(); got.Status != rollout.Stopped || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if why, err := s.conductor.Why("000001"); err != nil || why.Device.Last.Failure != rollout.NotReported {
		t.Errorf("%+v, %v", why, err)
	}
}

// Settings for a single device are no part of a roll-out, whatever comes of them.
func TestSettingsForOneDeviceAreNoPartOfARollout(t *testing.T) {
	s := newSettingsSite(t, canaryFirst)
	s.general(1)
	s.joins("000001", "canary", 1)
	s.publish(2, "")
	s.publish(3, "000001")
	if got := s.asks("000001", 1, 0); got != 3 {
		t.Errorf("it gets %d", got)
	}
	for _, state := range []string{"trial", "rolled-back"} {
		s.says("000001", state, 1, 3, "")
		s.pass(0)
		if got := s.state(); got.Status != rollout.Running || got.AtRisk != 0 || got.Failed != 0 {
			t.Errorf("%s: %+v", state, got)
		}
	}
	if got := s.asks("000001", 1, 3); got != 2 {
		t.Errorf("then it gets %d", got)
	}
}

// While a device is held, its settings stay as they are.
func TestSettingsOfAHeldDevice(t *testing.T) {
	s := newSettingsSite(t, rollout.AllAtOnce)
	s.publish(1, "")
	s.joins("000001", "", 0)
	if err := s.conductor.Hold(t.Context(), "000001", true); err != nil {
		t.Fatal(err)
	}
	if got := s.asks("000001", 0, 0); got != 0 {
		t.Errorf("it gets %d", got)
	}
	if err := s.conductor.Hold(t.Context(), "000001", false); err != nil {
		t.Fatal(err)
	}
	if got := s.asks("000001", 0, 0); got != 1 {
		t.Errorf("it gets %d", got)
	}
	// One that came to something newer by a cable is not told of the older.
	if got := s.asks("000002", 9, 0); got != 0 {
		t.Errorf("with 9 it gets %d", got)
	}
}
