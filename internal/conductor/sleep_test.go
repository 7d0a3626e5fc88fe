package conductor_test

import (
	"context"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

// sleepy lets a device wake that sleeps for 6 hours each time, and sleep again.
func (s *site) sleepy(id, running string, sequence uint32) {
	s.t.Helper()
	info := &fleet.Info{Uptime: 2, Sleep: 6 * 3600}
	info.Version.ESPer, info.Version.Sequence, info.Boot.Reset = running, sequence, "deep-sleep"
	s.info(id, info)
	s.fleet.Handle("home/"+id+"/status", []byte(fleet.Sleeping), s.now)
}

func (s *site) due(id string, before, want bool) {
	s.t.Helper()
	if got := s.conductor.Due(id, before); got != want {
		s.t.Errorf("%s, before %v: due %v", id, before, got)
	}
}

func TestAReleaseIsDueWhileTheDeviceWouldGetIt(t *testing.T) {
	s := newSite(t, canaryFirst)
	s.due("000001", false, false) // nobody knows it
	s.publish("v1", 1)
	s.sleepy("000001", "v1", 1)
	s.sleepy("000002", "v1", 1)
	s.due("000001", true, false)
	s.publish("v2", 2)
	s.due("000001", false, true)
	s.due("000002", false, false) // its stage has not come
	if s.get("000001", "v1") != "v2" {
		t.Fatal("it is not offered v2")
	}
	s.due("000001", true, true) // it may not get it at the first time
	if err := s.conductor.Pause(t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	s.due("000001", true, false)
	if err := s.conductor.Resume(t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	s.request("/socket.rom1?version=v2", "000001", "v1")
	s.sleepy("000001", "v2", 2)
	s.due("000001", true, false)
}

// A limit of a stage opens for a moment each time that a device is done: those who wait are not told
// each time.
func TestALimitOfAStageChangesNothing(t *testing.T) {
	s := newSite(t, rollout.Plan{
		Stages: []rollout.Stage{{Percent: 100, AtOnce: 1, Watch: time.Hour}}, ReportWithin: time.Hour, Patience: time.Hour,
	})
	s.publish("v1", 1)
	s.sleepy("000001", "v1", 1)
	s.sleepy("000002", "v1", 1)
	s.publish("v2", 2)
	s.due("000002", false, true)
	s.get("000001", "v1")
	s.due("000002", true, true)
	s.due("000002", false, false)
}

// With a rhythm of 6 hours it has 12 hours and a minute more than others.
func TestADeviceThatSleepsIsOnlineForItsRollout(t *testing.T) {
	s := newSite(t, canaryFirst)
	s.publish("v1", 1)
	s.sleepy("000001", "v1", 1)
	s.publish("v2", 2)
	if states := s.conductor.Rollouts(); states[0].Waiting != 1 {
		t.Errorf("the stage does not wait for it: %+v", states)
	}
	s.get("000001", "v1")
	s.request("/socket.rom1?version=v2", "000001", "v1")
	s.pass(13 * time.Hour)
	if why, err := s.conductor.Why("000001"); err != nil || why.Device.Last.State != rollout.TryTaken {
		t.Errorf("missed before it could wake: %+v, %v", why, err)
	}
	s.pass(2 * time.Minute)
	if why, err := s.conductor.Why("000001"); err != nil || why.Device.Last.Failure != rollout.NotReported {
		t.Errorf("not missed: %+v, %v", why, err)
	}
}

func TestADeviceThatSleepsDoesNotLagBeforeItCouldWake(t *testing.T) {
	s := newSite(t, rollout.AllAtOnce)
	s.publish("v1", 1)
	s.sleepy("000001", "v1", 1)
	s.report("000002", "v1", 1, nil)
	s.publish("v2", 2)
	s.pass(0)
	saved, err := s.storage.LoadRollouts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	since := map[string]time.Duration{}
	for _, target := range saved.Targets {
		since[target.Device] = target.Since.Sub(s.now)
	}
	if since["000001"] != 12*time.Hour+time.Minute || since["000002"] != 0 {
		t.Errorf("they are meant to run it since %v; a device lags %v later", since, store.LagsAfter)
	}
}
