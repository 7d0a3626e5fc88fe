package rollout

import (
	"testing"
	"time"
)

// sleeps makes a device one that wakes every 6 hours.
func sleeps(d *Device) { d.Slack = 12*time.Hour + time.Minute }

// A device that sleeps reports when it wakes, so it is not missed before that.
func TestADeviceThatSleepsIsNotMissedBeforeItWakes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Device)
		failed time.Duration
	}{
		"always connected": {func(*Device) {}, 30 * time.Minute},
		"sleeps":           {sleeps, 30*time.Minute + 12*time.Hour + time.Minute},
	} {
		s := staged(Plan{Stages: []Stage{{Percent: 100, Watch: time.Hour}}})
		d := device("000001", test.change)
		s, d = Offer(s, d, Decide(s, d, start), start)
		s, d = Taken(s, d, "v2", start)
		before, changed, _ := Advance(s, []Device{d}, start.Add(test.failed-time.Second))
		if before.Status != Running || before.AtRisk != 1 || len(changed) != 0 {
			t.Errorf("%s: missed too early: %+v", name, before)
		}
		after, changed, _ := Advance(s, []Device{d}, start.Add(test.failed))
		if after.Status != Stopped || len(changed) != 1 || changed[0].Last.Failure != NotReported {
			t.Errorf("%s: not missed: %+v", name, after)
		}
	}
}

// A stage waits for a device that sleeps until it must have woken twice.
func TestAStageWaitsForADeviceThatSleeps(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Device)
		waits  time.Duration
	}{
		"always connected": {func(*Device) {}, 2 * time.Hour},
		"sleeps":           {sleeps, 14*time.Hour + time.Minute},
	} {
		s := staged(Plan{Stages: []Stage{{Percent: 100}, {Percent: 100, Approve: true}}})
		fleet := []Device{device("000001", test.change)}
		if s, _, _ := Advance(s, fleet, start.Add(test.waits-time.Second)); s.Waiting != 1 || s.Stage != 0 {
			t.Errorf("%s: the stage does not wait: %+v", name, s)
		}
		if s, _, _ := Advance(s, fleet, start.Add(test.waits)); s.Waiting != 0 || s.Stage != 1 {
			t.Errorf("%s: the stage waits for ever: %+v", name, s)
		}
	}
}

// After a time that nobody watched, a device that sleeps has a grace and its rhythm.
func TestADeviceThatSleepsHasItsRhythmAfterARestartOfTheServer(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100}}})
	d := device("000001", sleeps)
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d = Taken(s, d, "v2", start)
	later := start.Add(100 * time.Hour)
	s, fleet := Skip(s, []Device{d}, 99*time.Hour, later)
	if s, _, _ := Advance(s, fleet, later.Add(d.Slack)); s.AtRisk != 1 || s.Failed != 0 {
		t.Errorf("missed too early: %+v", s)
	}
	if s, _, _ := Advance(s, fleet, later.Add(30*time.Minute+d.Slack)); s.Failed != 1 {
		t.Errorf("not missed: %+v", s)
	}
}
