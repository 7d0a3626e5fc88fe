package conductor_test

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/store"
)

// It is published, and nobody has looked yet.
func TestAQuestionChangesNothing(t *testing.T) {
	s := both(t)
	if err := s.repository.Publish(repositorytest.Release(t, "socket", "v3", 3), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	before := s.conductor.Rollouts()
	if _, err := s.conductor.Why("000001"); err != nil {
		t.Fatal(err)
	}
	s.conductor.Current("000001")
	s.conductor.Wanted("000001")
	if after := s.conductor.Rollouts(); !reflect.DeepEqual(before, after) {
		t.Errorf("%+v\nwas %+v", after, before)
	}
	s.look()
	if got := s.conductor.Rollouts()[0].Release.Version; got != "v3" {
		t.Errorf("what is published does not begin its roll-out: %s", got)
	}
}

// hung is a storage that never answers.
type hung struct {
	store.Store
	hangs bool
	asked int
}

func (h *hung) SaveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	if !h.hangs {
		return h.Store.SaveRollouts(ctx, changed)
	}
	h.asked++
	<-ctx.Done()
	return ctx.Err()
}

// As PostgreSQL does when it is stopped: the connection stays, and nothing comes.
func TestAStorageThatHangsHoldsUpNoDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, canaryFirst)
		stuck := &hung{Store: s.storage}
		s.storage = stuck
		s.open()
		s.publish("v1", 1)
		s.report("000001", "v1", 1, nil)
		s.report("000002", "v1", 1, nil)
		s.publish("v2", 2)
		stuck.hangs = true
		// The canary's offer counts, so it waits to be saved; all others are answered at once meanwhile.
		told := make(chan string)
		go func() { told <- s.get("000001", "v1") }()
		synctest.Wait()
		began := time.Now()
		if got := s.get("000002", "v1"); got != "v1" {
			t.Errorf("000002 gets %q", got)
		}
		s.report("000003", "v1", 1, nil)
		if why, err := s.conductor.Why("000001"); err != nil || why.Reason != rollout.InProgress {
			t.Errorf("%+v, %v", why, err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it took %v", waited)
		}
		if got := <-told; got != "v1" {
			t.Errorf("it is told of %q, which is not saved", got)
		}
		// Now that this is known, the next one does not wait either, and a person is told.
		began = time.Now()
		if got := s.get("000001", "v1"); got != "v1" || time.Since(began) != 0 {
			t.Errorf("it gets %q after %v", got, time.Since(began))
		}
		if err := s.conductor.Pause(t.Context(), "socket", "ada"); err == nil || s.conductor.Rollouts()[0].Status != rollout.Running {
			t.Errorf("%v, and the roll-out is %s", err, s.conductor.Rollouts()[0].Status)
		}
		if err := s.conductor.Tick(t.Context(), true); err == nil {
			t.Error("nobody hears of it")
		}
		stuck.hangs = false
		s.pass(0)
		if got := s.get("000001", "v1"); got != "v2" {
			t.Errorf("once it answers, 000001 gets %q", got)
		}
	})
}

// Many who ask at once are saved together.
func TestOffersAreSavedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, rollout.Plan{Stages: []rollout.Stage{{Percent: 100}}, ReportWithin: time.Hour, Patience: time.Hour})
		slow := &slowly{Store: s.storage}
		s.storage = slow
		s.open()
		s.publish("v1", 1)
		const n = 100
		for i := range n {
			s.report(id(i), "v1", 1, nil)
		}
		s.publish("v2", 2)
		slow.times = 0
		told := make(chan string)
		for i := range n {
			go func() { told <- s.get(id(i), "v1") }()
		}
		for range n {
			if got := <-told; got != "v2" {
				t.Errorf("one gets %s", got)
			}
		}
		if slow.times > 3 {
			t.Errorf("saved %d times", slow.times)
		}
		s.open()
		if got := s.conductor.Rollouts()[0].AtRisk; got != n {
			t.Errorf("%d of %d devices at risk are known after a restart", got, n)
		}
	})
}

type slowly struct {
	store.Store
	times int
}

func (s *slowly) SaveRollouts(ctx context.Context, changed rollout.Snapshot) error {
	s.times++
	time.Sleep(100 * time.Millisecond)
	return s.Store.SaveRollouts(ctx, changed)
}

func id(i int) string {
	return string([]byte{'0', '0', '0', '1', "0123456789abcdef"[i/16], "0123456789abcdef"[i%16]})
}

// It took the release, and runs it when the server is back, but that has not been heard yet.
func TestTheTimeThatTheServerIsOffCountsForNobody(t *testing.T) {
	take := func(t *testing.T) *site {
		s := both(t)
		s.expect("000001", "v1", "v2", rollout.StageReached)
		s.request("/socket.rom1?version=v2", "000001", "v1")
		s.pass(30 * time.Minute)
		return s
	}
	good := func(t *testing.T, s *site) {
		t.Helper()
		s.pass(0)
		if state := s.conductor.Rollouts()[0]; state.Status != rollout.Running || state.Failed != 0 {
			t.Fatalf("%+v", state)
		}
		s.report("000001", "v2", 2, &fleet.UpdateStatus{State: "confirmed", Version: "v2"})
		s.pass(0)
		if state := s.conductor.Rollouts()[0]; state.Status != rollout.Running || !state.Proven {
			t.Errorf("%+v", state)
		}
	}
	t.Run("off", func(t *testing.T) {
		s := take(t)
		s.now = s.now.Add(2 * time.Hour)
		s.open()
		good(t, s)
	})
	t.Run("off until a moment before the end", func(t *testing.T) {
		s := take(t)
		s.pass(29*time.Minute + 45*time.Second)
		s.open()
		s.pass(time.Minute)
		good(t, s)
	})
	t.Run("the broker is away", func(t *testing.T) {
		s := take(t)
		for range 240 {
			s.now = s.now.Add(30 * time.Second)
			if err := s.conductor.Tick(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		good(t, s)
	})
	for name, jump := range map[string]time.Duration{"forward": 8760 * time.Hour, "back": -8760 * time.Hour} {
		t.Run("the clock jumps "+name, func(t *testing.T) {
			s := take(t)
			s.now = s.now.Add(jump)
			good(t, s)
		})
	}
	t.Run("on, and silent", func(t *testing.T) {
		s := take(t)
		s.open()
		s.pass(31 * time.Minute)
		s.expect("000001", "v1", "v1", rollout.HasFailed)
	})
	t.Run("soak", func(t *testing.T) {
		s := take(t)
		s.report("000001", "v2", 2, nil)
		s.pass(time.Minute)
		s.now = s.now.Add(12 * time.Hour)
		s.open()
		s.pass(50 * time.Minute)
		s.expect("000002", "v1", "v1", rollout.StageNotReached)
		s.pass(11 * time.Minute)
		s.expect("000002", "v1", "v2", rollout.StageReached)
	})
	t.Run("a device that lags", func(t *testing.T) {
		s := both(t)
		s.pass(time.Hour)
		s.now = s.now.Add(48 * time.Hour)
		s.open()
		s.pass(0)
		saved, err := s.storage.LoadRollouts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range saved.Targets {
			if target.Device == "000001" && s.now.Sub(target.Since) > 2*time.Hour {
				t.Errorf("it lags since %v", target.Since)
			}
		}
	})
}

// Somebody built it from a newer commit and flashed it.
func TestADeviceThatRunsSomethingNewerIsAhead(t *testing.T) {
	for _, plan := range []rollout.Plan{canaryFirst, {}} {
		s := newSite(t, plan)
		s.publish("v1", 1)
		s.report("000001", "v1", 1, nil)
		s.publish("v2", 2)
		s.report("000001", "dev", 3, nil)
		s.expect("000001", "dev", "", rollout.IsAhead) // what it runs is not kept (SPEC 6)
		s.report("000001", "dev", 3, &fleet.UpdateStatus{State: "failed", Version: "v2", Error: "not-newer"})
		s.pass(24 * time.Hour)
		state := s.conductor.Rollouts()[0]
		if state.Failed != 0 || state.Status == rollout.Stopped {
			t.Errorf("%+v", state)
		}
		if got := s.conductor.Wanted("000001"); got != "" {
			t.Errorf("it may have %s", got)
		}
		if err := s.conductor.Pin(t.Context(), "000001", "v1"); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("pinned to what it refuses: %v", err)
		}
	}
}

// The last server died between what it stored of the device and of the roll-out.
func TestWhatTheInventoryKnowsIsReadAtTheStart(t *testing.T) {
	s := both(t)
	s.expect("000001", "v1", "v2", rollout.StageReached)
	known := s.fleet.Devices()
	for i := range known {
		if known[i].ID == "000001" {
			known[i].Update = &fleet.UpdateStatus{State: "rolled-back", Version: "v2", Error: "crashed"}
		}
	}
	k := openConductor(t, conductor.Config{
		Plan: func(string) rollout.Plan { return s.plan }, Keep: s.repository.Keep, Devices: known,
		Storage: s.storage, Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler),
	})
	if why, err := k.Why("000001"); err != nil || why.Reason != rollout.HasFailed {
		t.Errorf("%+v, %v", why, err)
	}
}
