package conductor_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

// What happens in a roll-out becomes history, each with its own time, in order.
func TestWhatHappensBecomesHistory(t *testing.T) {
	s := both(t)
	s.get("000001", "v1")
	s.get("000001", "v1") // told again, it is offered once
	for _, do := range []func(string, string) error{s.conductor.Pause, s.conductor.Resume} {
		if err := do("socket", "ada"); err != nil {
			t.Fatal(err)
		}
	}
	s.report("000001", "v2", 2, &fleet.UpdateStatus{State: "confirmed", Version: "v2"})
	s.pass(0)
	s.pass(time.Hour)
	s.get("000002", "v1")
	s.report("000002", "v1", 1, &fleet.UpdateStatus{State: "rolled-back", Version: "v2", Error: "crashed"})
	s.pass(0)
	s.open()
	var got []rollout.Event
	for _, kind := range append([]rollout.Kind{""}, rollout.DeviceOffered) {
		events, err := s.storage.RolloutHistory(t.Context(), store.RolloutQuery{Type: "socket", Release: "v2", Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, events...)
	}
	want := []rollout.Event{
		{Kind: rollout.RolloutStarted}, {Kind: rollout.StageBegun}, {Kind: rollout.RolloutPaused, By: "ada"},
		{Kind: rollout.RolloutResumed, By: "ada"}, {Kind: rollout.StagePassed}, {Kind: rollout.StageBegun, Stage: 1},
		{Kind: rollout.DeviceFailed, Stage: 1, Device: "000002", Failure: rollout.RolledBack}, {Kind: rollout.RolloutStopped, Stage: 1},
		{Kind: rollout.DeviceOffered, Device: "000001"}, {Kind: rollout.DeviceOffered, Stage: 1, Device: "000002"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		e.At, e.Type, e.Release = time.Time{}, "", ""
		if e != want[i] {
			t.Errorf("event %d is %+v, want %+v", i, e, want[i])
		}
	}
}

// Roll-outs that an earlier version kept in a file go on; the file is read once.
func TestAFileIsTakenOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rollouts.json")
	if err := os.WriteFile(file, []byte(`{"states":[{"type":"socket","general":{"version":"v1","sequence":1},`+
		`"release":{"version":"v2","sequence":2},"number":2,"plan":{"report_within":1,"patience":1},"status":"aborted","stage":0}],`+
		`"devices":[{"id":"000002","type":"socket","online":true,"running":"v1","sequence":1,"held":true}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, canaryFirst)
	take := func() { t.Helper(); check(t, conductor.TakeOver(t.Context(), file, s.storage)) }
	take()
	s.open()
	if all := s.conductor.Rollouts(); len(all) != 1 || all[0].Status != rollout.Aborted {
		t.Errorf("roll-outs %+v", all)
	}
	check(t, s.conductor.Hold("000002", false))
	take() // there is none any more
	check(t, os.Rename(file+".old", file))
	take() // what the database holds is newer
	s.open()
	if why, err := s.conductor.Why("000002"); err != nil || why.Device.Held {
		t.Errorf("what was done since is undone: %+v, %v", why, err)
	}
	check(t, os.WriteFile(file, []byte("{"), 0o600))
	if conductor.TakeOver(t.Context(), file, s.storage) == nil {
		t.Error("a damaged file is taken over")
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
