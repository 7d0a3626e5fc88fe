package conductor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/store"
)

// canaryFirst is a plan: device 000001, then all.
var canaryFirst = rollout.Plan{
	Stages:       []rollout.Stage{{Group: "canary", Watch: time.Hour}, {Percent: 100}},
	ReportWithin: time.Hour, Patience: 2 * time.Hour,
}

// site is a conductor over a repository, with a clock that the test sets, and the fleet that reports to
// it.
type site struct {
	t          testing.TB
	repository *repository.Repository
	feed       *repository.Feed
	fleet      *fleet.Fleet
	conductor  *conductor.Conductor
	storage    store.Store
	plan       rollout.Plan
	now        time.Time
	handler    http.Handler
}

func newSite(t testing.TB, plan rollout.Plan) *site {
	s := &site{t: t, plan: plan, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	var err error
	if s.repository, err = repository.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if s.storage, err = store.Open(t.Context(), store.InMemory); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.storage.Close() })
	s.open()
	return s
}

// open starts the conductor, or another one after it.
func (s *site) open() {
	s.conductor = openConductor(s.t, conductor.Config{
		Plan: func(string) rollout.Plan { return s.plan }, Keep: s.repository.Keep,
		Storage: s.storage, Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler),
	})
	s.fleet = fleet.New("home", slog.New(slog.DiscardHandler))
	s.fleet.Follow(s.conductor.Report)
	s.feed = repository.NewFeed(s.repository, s.conductor.Published)
	s.look()
	s.handler = s.repository.HandlerFor(s.conductor.Choose, s.conductor.Seen)
}

func openConductor(t testing.TB, c conductor.Config) *conductor.Conductor {
	t.Helper()
	k, err := conductor.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *site) look() {
	s.t.Helper()
	if err := s.feed.Look(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) publish(version string, sequence uint32) {
	s.t.Helper()
	s.publishRelease(repositorytest.Relocatable(s.t, "socket", version, sequence))
}

func (s *site) publishRelease(r *release.Release) {
	s.t.Helper()
	if err := s.repository.Publish(r, repository.Allow{}); err != nil {
		s.t.Fatal(err)
	}
	s.look()
	s.pass(0)
}

// pass lets time pass while the server runs and hears the devices.
func (s *site) pass(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); ; {
		if err := s.conductor.Tick(s.t.Context(), true); err != nil {
			s.t.Fatal(err)
		}
		if !s.now.Before(end) {
			return
		}
		if s.now = s.now.Add(30 * time.Second); s.now.After(end) {
			s.now = end
		}
	}
}

// get answers a request for a version file with the version in it; empty: there is none.
func (s *site) get(id, running string) string {
	s.t.Helper()
	w := s.request("/socket.version", id, running)
	if w.Code == http.StatusNotFound {
		return ""
	}
	v, err := release.ParseVersionFile(w.Body.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	return v.Version
}

func (s *site) request(path, id, running string) *httptest.ResponseRecorder {
	q := httptest.NewRequest("GET", path, nil)
	if id != "" {
		q.Header.Set("X-Esper-Device", id)
		q.Header.Set("X-Esper-Version", running)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, q)
	return w
}

func (s *site) expect(id, running, want string, reason rollout.Reason) {
	s.t.Helper()
	if id != "" {
		if why, err := s.conductor.Why(id); err == nil && why.Reason != reason {
			s.t.Errorf("%s: %s, want %s", id, why.Reason, reason)
		}
	}
	if got := s.get(id, running); got != want {
		s.t.Errorf("%s gets %q, want %q", id, got, want)
	}
}

// report lets a device report by MQTT.
func (s *site) report(id, running string, sequence uint32, update *fleet.UpdateStatus) {
	s.t.Helper()
	info := &fleet.Info{Uptime: 1000}
	info.Version.ESPer, info.Version.Sequence, info.Boot.Reset = running, sequence, "power-on"
	s.info(id, info)
	if update != nil {
		s.say(id, "update/status", update)
	}
}

// info lets a device publish an info.
func (s *site) info(id string, info *fleet.Info) {
	s.t.Helper()
	if info.Device == "" {
		info.Device = "socket"
	}
	info.ChipID = id
	s.say(id, "status", nil)
	s.say(id, "info", info)
	if id == "000001" {
		s.fleet.Label(id, fleet.Labels{Group: "canary"})
	}
}

// say lets a device publish JSON, or ONLINE.
func (s *site) say(id, topic string, what any) {
	s.t.Helper()
	text := []byte(fleet.Online)
	if what != nil {
		var err error
		if text, err = json.Marshal(what); err != nil {
			s.t.Fatal(err)
		}
	}
	before := s.fleet.Malformed()
	if _, changed := s.fleet.Handle("home/"+id+"/"+topic, text, s.now); !changed || s.fleet.Malformed() != before {
		s.t.Fatalf("%s %s: %s is not taken in", id, topic, text)
	}
}

// both are published, v2 last, and two devices run v1.
func both(t *testing.T) *site {
	s := newSite(t, canaryFirst)
	s.publish("v1", 1)
	s.report("000001", "v1", 1, nil)
	s.report("000002", "v1", 1, nil)
	s.publish("v2", 2)
	return s
}

func TestEachDeviceGetsWhatTheRolloutDecides(t *testing.T) {
	s := both(t)
	s.expect("000002", "v1", "v1", rollout.StageNotReached)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	s.expect("", "", "v1", "")
	s.request("/socket.rom1?version=v2", "000001", "v1")
	s.expect("000001", "v1", "v2", rollout.InProgress)
	s.report("000001", "v2", 2, &fleet.UpdateStatus{State: "confirmed", Version: "v2"})
	s.expect("000001", "v2", "v2", rollout.UpToDate)
	s.pass(0)
	s.pass(time.Hour)
	s.expect("000002", "v1", "v2", rollout.StageReached)
	s.report("000002", "v2", 2, nil)
	s.pass(0)
	s.expect("", "", "v2", "")
}

// A device that fetches a delta has taken the release as one that fetches the image has.
func TestAnAskedForDeltaIsAnAskedForImage(t *testing.T) {
	for path, taken := range map[string]bool{
		"/socket.rom1?version=v2":      true,
		"/socket.v1.delta1?version=v2": true,
		"/socket.v1.delta0?version=v2": true,
		"/socket.v0.delta1?version=v2": false, // there is none: it asks for the image next
		"/socket.v1.delta1":            false, // of whatever it is offered
		"/socket.version":              false,
	} {
		s := both(t)
		s.expect("000001", "v1", "v2", rollout.StageReached)
		s.request(path, "000001", "v1")
		if err := s.conductor.Pause(t.Context(), "socket", "ada"); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "v2", false: "v1"}[taken] // who has taken it may finish
		if got := s.get("000001", "v1"); got != want {
			t.Errorf("%s: while the roll-out is paused it gets %s, want %s", path, got, want)
		}
	}
}

// What devices run stays in the repository, so that the next release has deltas from it.
func TestWhatDevicesRunIsKept(t *testing.T) {
	s := newSite(t, rollout.Plan{})
	s.publish("v1", 1)
	s.report("000001", "v1", 1, nil)
	s.report("000002", "made-up", 1, nil)
	for i := range uint32(9) {
		s.publish(fmt.Sprint("v", i+2), i+2)
	}
	for version, want := range map[string]bool{"v1": true, "v2": false, "v10": true, "made-up": false} {
		if got := s.repository.Has("socket", version); got != want {
			t.Errorf("%s is kept: %v, want %v", version, got, want)
		}
	}
	if w := s.request("/socket.v1.delta0?version=v10", "000001", "v1"); w.Code != http.StatusOK {
		t.Errorf("the delta from what the device runs: status %d", w.Code)
	}
	if w := s.request("/socket.v2.delta0?version=v10", "000001", "v1"); w.Code != http.StatusNotFound {
		t.Errorf("the delta from what no device runs: status %d", w.Code)
	}
}

// Devices can say what they like, so what is kept for them is limited.
func TestWhatIsKeptForDevicesIsLimited(t *testing.T) {
	s := newSite(t, rollout.Plan{})
	const releases = 80
	for i := range uint32(releases) {
		s.publishRelease(repositorytest.Release(t, "socket", fmt.Sprint("v", i), i+1))
		devices := 1
		if i >= 10 {
			devices = 2
		}
		for n := range devices {
			s.report(fmt.Sprintf("%06x", 16+2*int(i)+n), fmt.Sprint("v", i), i+1, nil)
		}
	}
	s.publish("last", 1000)
	s.publish("another", 1001)
	kept := 0
	for i := range releases {
		if s.repository.Has("socket", fmt.Sprint("v", i)) {
			kept++
			if i < 10 {
				t.Errorf("v%d is kept, which fewer devices run than others", i)
			}
		}
	}
	if kept < 64 || kept > 64+5 {
		t.Errorf("%d releases are kept for the devices that run them", kept)
	}
}

func TestWhoRunsWhatItIsMeantToIsCurrent(t *testing.T) {
	s := both(t)
	current := func(id string, want bool) {
		t.Helper()
		if got := s.conductor.Current(id); got != want {
			t.Errorf("%s is current: %v", id, got)
		}
	}
	current("000002", true) // its stage has not come
	current("000001", false)
	s.pass(0)
	if err := s.conductor.Pause(s.t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	current("000001", false) // it is still meant to have it
	if err := s.conductor.Resume(s.t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	s.get("000001", "v1")
	s.request("/socket.rom1?version=v2", "000001", "v1")
	trial := &fleet.Info{}
	trial.Version.ESPer, trial.Version.Sequence, trial.Boot.Trial = "v2", 2, true
	s.info("000001", trial)
	current("000001", false)
	s.report("000001", "v2", 2, nil)
	current("000001", true)
	current("00000f", false) // nobody knows it
}

func TestARollbackStopsIt(t *testing.T) {
	s := both(t)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	s.report("000001", "v1", 1, &fleet.UpdateStatus{State: "downloading", Version: "v2"})
	s.report("000001", "v1", 1, &fleet.UpdateStatus{State: "rolled-back", Version: "v2", Error: "crashed"})
	s.expect("000001", "v1", "v1", rollout.HasFailed)
	s.expect("000002", "v1", "v1", rollout.StoppedByFailures)
	s.publish("v3", 3)
	s.expect("000001", "v1", "v3", rollout.StageReached)
}

// The reason why a delta was not used is no failure: the update goes on with the whole image.
func TestAnUpdateWithoutADeltaGoesOn(t *testing.T) {
	for _, reason := range []string{"malformed-delta", "wrong-source", "bad-signature", "http-status"} {
		s := both(t)
		s.expect("000001", "v1", "v2", rollout.StageReached)
		s.report("000001", "v1", 1, &fleet.UpdateStatus{State: "downloading", Version: "v2", Error: reason})
		s.expect("000001", "v1", "v2", rollout.InProgress)
		s.report("000001", "v2", 2, &fleet.UpdateStatus{State: "confirmed", Version: "v2"})
		s.expect("000001", "v2", "v2", rollout.UpToDate)
	}
}

// An old report of a failure to fetch says nothing about the next try.
func TestAReportIsReadOnce(t *testing.T) {
	s := both(t)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	failed := &fleet.UpdateStatus{State: "failed", Version: "v2", Error: "unreachable"}
	s.report("000001", "v1", 1, failed)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	s.report("000001", "v1", 1, failed)
	s.expect("000001", "v1", "v2", rollout.InProgress)
}

func TestACrashLoopIsAFailure(t *testing.T) {
	for _, uptimes := range [][]uint64{{7, 6, 5, 4, 3}, {3, 3, 3, 3, 3}, {3, 4, 5, 6, 7}} {
		s := both(t)
		s.expect("000001", "v1", "v2", rollout.StageReached)
		boot := func(uptime uint64, reset string) {
			info := &fleet.Info{Uptime: uptime}
			info.Version.ESPer, info.Version.Sequence, info.Boot.Reset = "v2", 2, reset
			s.info("000001", info)
			s.now = s.now.Add(20 * time.Second)
		}
		boot(100, "restart")
		for i, uptime := range uptimes {
			if i < fleet.CrashLoop {
				s.expect("000002", "v1", "v1", rollout.StageNotReached)
			}
			boot(uptime, "exception")
		}
		s.expect("000002", "v1", "v1", rollout.StoppedByFailures)
	}
}

func TestSafeModeIsAFailure(t *testing.T) {
	s := both(t)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	s.report("000001", "v2", 2, nil)
	info := &fleet.Info{}
	info.Version.ESPer, info.Version.Sequence, info.Boot.Safe = "v2", 2, true
	s.info("000001", info)
	s.expect("000002", "v1", "v1", rollout.StoppedByFailures)
}

func TestNothingIsForgottenWhenTheServerIsKilled(t *testing.T) {
	s := both(t)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	s.open()
	if all := s.conductor.Rollouts(); len(all) != 1 || all[0].AtRisk != 1 {
		t.Errorf("%+v", all)
	}
	if err := s.conductor.Abort(s.t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	if err := s.conductor.Hold(s.t.Context(), "000002", true); err != nil {
		t.Fatal(err)
	}
	s.open()
	s.expect("000001", "v1", "v1", rollout.IsAborted)
	s.expect("000002", "v1", "v1", rollout.IsHeld)
}

// The devices have not asked yet when the server comes back, but they will.
func TestARestartOfTheServerDoesNotPassForSilence(t *testing.T) {
	s := newSite(t, rollout.Plan{Stages: []rollout.Stage{{Percent: 100}}, ReportWithin: time.Hour, Patience: 2 * time.Hour})
	s.publish("v1", 1)
	s.report("000002", "v1", 1, nil)
	s.publish("v2", 2)
	s.now = s.now.Add(3 * time.Hour)
	s.open()
	s.pass(0)
	s.expect("000002", "v1", "v2", rollout.StageReached)
	if s.conductor.Rollouts()[0].Status != rollout.Running {
		t.Error("it went on without the devices")
	}
}

// disk is a storage that can be full.
type disk struct {
	store.Store
	full bool
}

func (d *disk) SaveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	if d.full {
		return errors.New("the disk is full")
	}
	return d.Store.SaveRollouts(ctx, changed)
}

// Better nobody is told than somebody of whom nobody knows; and who was answered that it could
// not be done need not fear that it was.
func TestWhatCannotBeSavedDoesNotHappen(t *testing.T) {
	s := both(t)
	disk := &disk{Store: s.storage}
	s.storage = disk
	s.plan.Stages = []rollout.Stage{{Group: "canary", Watch: time.Hour, Failures: 1}, {Percent: 100}}
	s.open()
	s.pass(0)
	s.report("000003", "v1", 1, &fleet.UpdateStatus{State: "rolled-back", Version: "v2", Error: "crashed"})
	disk.full = true
	for range 2 { // the offer is not told later either, as long as it is not saved
		if got := s.get("000001", "v1"); got != "v1" {
			t.Errorf("it gets %s", got)
		}
	}
	rollouts := s.conductor.Rollouts()
	for what, do := range map[string]func() error{
		"pause":      func() error { return s.conductor.Pause(s.t.Context(), "socket", "ada") },
		"abort":      func() error { return s.conductor.Abort(s.t.Context(), "socket", "ada") },
		"everywhere": func() error { return s.conductor.Everywhere(s.t.Context(), "socket", "ada") },
		"pin":        func() error { return s.conductor.Pin(s.t.Context(), "000001", "v1") },
		"hold":       func() error { return s.conductor.Hold(s.t.Context(), "000001", true) },
		"retry":      func() error { return s.conductor.Retry(s.t.Context(), "000003") },
	} {
		if do() == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if now := s.conductor.Rollouts(); !reflect.DeepEqual(now, rollouts) {
		t.Errorf("%+v\nwas %+v", now, rollouts)
	}
	s.expect("000003", "v1", "v1", rollout.HasFailed)
	disk.full = false
	s.pass(0)
	s.expect("000001", "v1", "v2", rollout.InProgress)
	s.open() // nor does it happen when there is room again
	events, err := s.storage.RolloutHistory(t.Context(), store.RolloutQuery{Type: "socket", Release: "v2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.By != "" {
			t.Errorf("in the history: %+v", e)
		}
	}
	if now := s.conductor.Rollouts()[0]; now.Status != rollout.Running {
		t.Errorf("the roll-out is %s", now.Status)
	}
}

// The database is away while a device is removed that a person holds.
func TestWhatCannotBeRemovedStays(t *testing.T) {
	s := both(t)
	if err := s.conductor.Hold(s.t.Context(), "000001", true); err != nil {
		t.Fatal(err)
	}
	undo := s.conductor.Remove("000001")
	if _, err := s.conductor.Why("000001"); !errors.Is(err, conductor.ErrNoDevice) {
		t.Errorf("removed: %v", err)
	}
	s.report("000001", "v1", 1, nil) // as a new one
	undo()
	s.pass(0)
	s.open()
	s.expect("000001", "v1", "v1", rollout.IsHeld)
}

// The canary runs v2, which the others never got.
func TestWhoCannotBeToldOfTheReleaseStaysOnItsOwn(t *testing.T) {
	s := both(t)
	disk := &disk{Store: s.storage}
	s.storage = disk
	s.open()
	s.get("000001", "v1")
	s.report("000001", "v2", 2, nil)
	s.publish("v3", 3)
	disk.full = true
	if got := s.get("000001", "v2"); got != "v2" {
		t.Errorf("the canary gets %s", got)
	}
	disk.full = false
	s.pass(0)
	if got := s.get("000001", "v2"); got != "v3" {
		t.Errorf("once there is room, the canary gets %s", got)
	}
}

func TestAPinnedReleaseStaysInTheRepository(t *testing.T) {
	s := both(t)
	if err := s.conductor.Pin(s.t.Context(), "000002", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := s.conductor.Pin(s.t.Context(), "000002", "v9"); err == nil {
		t.Error("pinned to a release that there is not")
	}
	for i := range 10 {
		s.publish(fmt.Sprint("w", i), uint32(3+i))
		if err := s.conductor.Everywhere(s.t.Context(), "socket", "ada"); err != nil {
			t.Fatal(err)
		}
	}
	s.expect("000002", "v1", "v1", rollout.IsPinned)
	if err := s.conductor.Pin(s.t.Context(), "000002", ""); err != nil {
		t.Fatal(err)
	}
	s.expect("000002", "v1", "w9", rollout.GenerallyAvailable)
	for _, err := range []error{s.conductor.Hold(s.t.Context(), "00000f", true), s.conductor.Pause(s.t.Context(), "lamp", "ada"), s.conductor.Retry(s.t.Context(), "000002")} {
		if err == nil {
			t.Error("no error for what there is not")
		}
	}
}

// Anyone can ask under any name.
func TestUnknownDevicesAreAnswered(t *testing.T) {
	s := both(t)
	s.expect("abcdef", "v0", "v1", rollout.StageNotReached)
	if got := s.get("abcdef", "v2"); got != "v2" {
		t.Errorf("who runs v2 gets %s", got)
	}
	if w := s.request("/lamp.version", "abcdef", "v0"); w.Code != 404 {
		t.Errorf("another type: %d", w.Code)
	}
}

func BenchmarkVersionFileRequests(b *testing.B) {
	for name, plan := range map[string]rollout.Plan{"all at once": {}, "in stages": canaryFirst} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, plan)
			s.publish("v1", 1)
			const n = 10_000
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprintf("%06x", i+0x10)
				s.report(ids[i], "v1", 1, nil)
			}
			s.publish("v2", 2)
			i := 0
			for b.Loop() {
				if w := s.request("/socket.version", ids[i%n], "v1"); w.Code != 200 {
					b.Fatal(w.Code)
				}
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// A device can say to be of any type, and of another one each time.
func TestTypesThatNothingWasPublishedForAreNotKept(t *testing.T) {
	s := newSite(t, canaryFirst)
	s.publish("v1", 1)
	for i := range 50 {
		info := &fleet.Info{Device: fmt.Sprintf("type%d", i)}
		info.Version.ESPer = "v1"
		s.info("000007", info)
	}
	if n := len(s.conductor.Rollouts()); n != 1 {
		t.Errorf("%d roll-outs are kept, of which one is real", n)
	}
}

// Who moves to another database, or loses one, does not send everybody what was stopped.
func TestANewDatabaseBeginsWithThePlanAndNotWithEverybody(t *testing.T) {
	s := newSite(t, canaryFirst)
	s.publish("v1", 1)
	s.publish("v2", 2)
	s.publish("v3", 3)
	var err error
	if s.storage, err = store.Open(t.Context(), store.InMemory); err != nil {
		t.Fatal(err)
	}
	defer s.storage.Close()
	s.open()
	s.pass(0)
	state := s.conductor.Rollouts()[0]
	if state.General.Version != "v2" || state.Release.Version != "v3" || state.Status != rollout.Running || state.Stage != 0 {
		t.Errorf("it goes on with %+v", state)
	}
}
