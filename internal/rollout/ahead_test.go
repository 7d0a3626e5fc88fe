package rollout

import (
	"strings"
	"testing"
	"time"
)

func runs(version string, sequence uint32) func(*Device) {
	return func(d *Device) { d.Running, d.Sequence = version, sequence }
}

// Somebody flashed a build that is newer than the release, or as new.
func TestADeviceAheadOfItsReleaseIsNeverOfferedIt(t *testing.T) {
	for _, plan := range []Plan{{}, {Stages: []Stage{{Percent: 100}}}} {
		s := staged(plan)
		want(t, s, device("000001", runs("v3", 3)), start, "v3", IsAhead)
		want(t, s, device("000002", runs("other", 2)), start, "other", IsAhead)
		if got := s.waiting([]Device{device("000001", runs("v3", 3))}, start); got != 0 {
			t.Errorf("the stage waits for %d devices that are ahead", got)
		}
	}
	s := staged(Plan{})
	development := s
	development.Release.Sequence = 0
	want(t, s, device("000003", runs("dev", 0)), start, "v2", GenerallyAvailable)
	want(t, development, device("000003", runs("dev", 0)), start, "v2", GenerallyAvailable)
	want(t, development, device("000004"), start, "v1", IsAhead) // it would refuse sequence 0
}

func TestADeviceThatGetsAheadWhileItIsWaitedForIsNoFailure(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Watch: time.Hour}}})
	d := device("000001")
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d = Taken(s, d, "v2", start)
	s, d = Confirmed(s, d, Release{"v3", 3}, start)
	want(t, s, d, start, "v3", IsAhead)
	s, _, events := Advance(s, []Device{d}, start.Add(24*time.Hour))
	if s.Failed != 0 || s.AtRisk != 0 || s.Status == Stopped {
		t.Errorf("%+v %+v", s, events)
	}
}

// The reason is about the newest release, not about the one that the device gets.
func TestAFailureIsSaidOfTheReleaseThatFailed(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Failures: 5}}})
	d := device("000001")
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d, _ = Failed(s, d, "v2", RolledBack, start)
	want(t, s, d, start, "v1", HasFailed)
	if text := HasFailed.Explain(s.Release.Version); !strings.Contains(text, "failed with v2") {
		t.Error(text)
	}
}

func TestTimeThatNobodyWatchedCountsForNobody(t *testing.T) {
	took := func() (State, Device) {
		s := staged(Plan{Stages: []Stage{{Percent: 100, Watch: time.Hour}}, ReportWithin: time.Hour})
		d := device("000001")
		s, d = Offer(s, d, Decide(s, d, start), start)
		return Taken(s, d, "v2", start)
	}
	for name, c := range map[string]struct {
		off    time.Duration // from 59 minutes after the device took the release
		now    time.Duration // since then
		failed int
	}{
		"two hours off":                    {2 * time.Hour, 0, 0},
		"two hours off, a minute on":       {2 * time.Hour, time.Minute, 0},
		"two hours off, and still nothing": {2 * time.Hour, Grace, 1},
		"clock set back by a year":         {-365 * 24 * time.Hour, time.Minute, 0},
		"set back, and still nothing":      {-365 * 24 * time.Hour, Grace, 1},
		"a short restart":                  {0, 2 * time.Minute, 0},
		"on all the time":                  {0, Grace, 1},
	} {
		s, d := took()
		now := start.Add(59*time.Minute + c.off)
		s, devices := Skip(s, []Device{d}, c.off, now)
		s, _, _ = Advance(s, devices, now.Add(c.now))
		if s.Failed != c.failed {
			t.Errorf("%s: %d failures, want %d", name, s.Failed, c.failed)
		}
	}
	s, d := took()
	s, d = Confirmed(s, d, next, start)
	s, _, _ = Advance(s, []Device{d}, start.Add(time.Minute)) // the soak begins
	s, devices := Skip(s, []Device{d}, 10*time.Hour, start.Add(10*time.Hour))
	if s, _, _ = Advance(s, devices, start.Add(10*time.Hour)); s.Status != Running {
		t.Errorf("the time that the server was off passed for a soak: %+v", s)
	}
	if s, _, _ = Advance(s, devices, start.Add(11*time.Hour+time.Minute)); s.Status != Complete {
		t.Errorf("the soak has no end: %+v", s)
	}
}
