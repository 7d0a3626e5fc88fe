package conductor_test

import (
	"context"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

// What happens in a roll-out becomes history, each with its own time, in order.
func TestWhatHappensBecomesHistory(t *testing.T) {
	s := both(t)
	s.get("000001", "v1")
	s.get("000001", "v1") // told again, it is offered once
	for _, do := range []func(context.Context, string, string) error{s.conductor.Pause, s.conductor.Resume} {
		if err := do(t.Context(), "socket", "ada"); err != nil {
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
