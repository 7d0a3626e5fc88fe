package rollout

import (
	"testing"
	"time"
)

func TestTheTargetIsWhatTheRolloutMeansForADevice(t *testing.T) {
	night := Plan{Stages: []Stage{{Group: "canary", Window: Window{From: 12 * 60, To: 13 * 60}}, {Percent: 100, AtOnce: 1}}}
	s := staged(night)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	evening := noon.Add(8 * time.Hour)
	canary, other := device("000001", inGroup("canary")), device("000002")
	held := device("000003", inGroup("canary"), func(d *Device) { d.Held = true })
	pinned := device("000004", inGroup("canary"), func(d *Device) { d.Pin = "v1" })
	second := s
	second.Stage = 1
	told := other
	second, told = Offer(second, told, Decision{"v2", StageReached}, noon)
	paused, _ := Pause(s)
	aborted, _ := Abort(s)
	everywhere, _, _ := Everywhere(s, noon)
	failed := device("000005", func(d *Device) { d.Last = Try{Release: "v2", State: TryFailed} })
	for name, test := range map[string]struct {
		s      State
		d      Device
		before string
		now    time.Time
		want   string
	}{
		"its stage has begun":                        {s, canary, "v1", noon, "v2"},
		"the window has not been open yet":           {s, canary, "v1", evening, "v1"},
		"the window has closed again":                {s, canary, "v2", evening, "v2"},
		"its stage has not come":                     {s, other, "v1", noon, "v1"},
		"held":                                       {s, held, "v2", noon, "v1"},
		"pinned":                                     {s, pinned, "v2", noon, "v1"},
		"paused before it could have it":             {paused, canary, "v1", noon, "v1"},
		"paused when it could have it":               {paused, canary, "v2", noon, "v2"},
		"aborted":                                    {aborted, canary, "v2", noon, "v1"},
		"others first, by the limit":                 {second, other, "v1", noon, "v1"},
		"told of it":                                 {second, told, "v1", noon, "v2"},
		"generally available":                        {everywhere, other, "v1", noon, "v2"},
		"generally available, but it failed with it": {everywhere, failed, "v2", noon, "v1"},
	} {
		if got := Meant(test.s, test.d, test.before, test.now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
