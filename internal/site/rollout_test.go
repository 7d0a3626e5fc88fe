package site

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"esper/internal/rollout"
)

const plans = `
[rollout]
report_within = "20m"

[[rollout.stages]]
group = "canary"
watch = "1h"

[[rollout.stages]]
percent = 10
watch = "24h"
failures = 2
at_once = 5
rate = "20/1h"
window = "22:00-04:30"
days = ["fri", "sat"]
approve = true

[rollout.types.sensor]

[[rollout.types.lamp.stages]]
tag = "indoor"
days = ["sun"]
`

// newPlannedSite makes a site with the device types that the plans name.
func newPlannedSite(t *testing.T, config string) string {
	dir := newSite(t, config)
	for _, name := range []string{"lamp", "sensor"} {
		write(t, filepath.Join(dir, DevicesDir, name, name+".cpp"), "")
	}
	return dir
}

func TestPlansAreReadAsWritten(t *testing.T) {
	s, err := Open(newPlannedSite(t, good+plans))
	if err != nil {
		t.Fatal(err)
	}
	const report, patience = 20 * time.Minute, 3 * time.Minute
	for deviceType, want := range map[string]rollout.Plan{
		"socket": {ReportWithin: report, Patience: patience, Stages: []rollout.Stage{
			{Group: "canary", Watch: time.Hour},
			{Percent: 10, Watch: 24 * time.Hour, Failures: 2, AtOnce: 5, Rate: rollout.Rate{Devices: 20, Per: time.Hour},
				Window: rollout.Window{From: 22 * 60, To: 4*60 + 30, Days: 1<<time.Friday | 1<<time.Saturday}, Approve: true},
		}},
		"sensor": {ReportWithin: report, Patience: patience},
		"lamp": {ReportWithin: report, Patience: patience, Stages: []rollout.Stage{
			{Tag: "indoor", Window: rollout.Window{Days: 1 << time.Sunday}},
		}},
	} {
		if got := s.Config.Rollouts.Plan(deviceType); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", deviceType, got, want)
		}
	}
	without, err := Open(newSite(t, good))
	if err != nil {
		t.Fatal(err)
	}
	if got := without.Config.Rollouts.Plan("socket"); got.Stages != nil || got.ReportWithin != time.Hour {
		t.Errorf("without a plan: %+v", got)
	}
}

func TestAWrongPlanSaysWhatAndWhere(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`percent = 10`, `percent = 0`, "rollout.stages, number 2: percent: 0 is not between 1 and 100"},
		{`percent = 10`, `percent = 101`, "101 is not between"},
		{`percent = 10`, ``, "number 2: needs one of group, tag and percent"},
		{`percent = 10`, "percent = 10\ntag = \"x\"", "needs one of"},
		{`percent = 10`, `percentage = 10`, "unknown key rollout.stages.percentage"},
		{`group = "canary"`, `group = "` + strings.Repeat("x", 33) + `"`, "is 1 to 32 of a-z"},
		{`group = "canary"`, `group = "A b"`, "is 1 to 32 of a-z"},
		{`"24h"`, `"soon"`, `number 2: watch: "soon" is not a duration`},
		{`"20m"`, `"1s"`, "rollout.report_within: 1s is not between"},
		{`failures = 2`, `failures = -1`, "failures: -1 is not between 0 and"},
		{`at_once = 5`, `at_once = 0`, "at_once: 0 is not between 1 and"},
		{`"20/1h"`, `"20"`, `rate: "20" is not devices per time`},
		{`"20/1h"`, `"0/1h"`, `rate: "0/1h" is not devices per time`},
		{`"20/1h"`, `"20/h"`, `rate: "h" is not a duration`},
		{`"22:00-04:30"`, `"22-4"`, `window: "22-4" is not two times of day`},
		{`"22:00-04:30"`, `"22:00-24:00"`, "is not two times of day"},
		{`"22:00-04:30"`, `"22:00-22:01"`, "window: 22:00-22:01 is shorter than update.interval, 1m30s"},
		{`"fri", "sat"`, `"friday"`, `days: "friday" is none of mon,`},
		{`types.sensor`, `types.Sensor`, `rollout.types: "Sensor" is not a device type`},
		{`types.sensor`, `types.sensr`, `rollout.types.sensr: there is no devices/sensr`},
		{`tag = "indoor"`, ``, "rollout.types.lamp.stages, number 1: needs one of"},
		{plans, plans + strings.Repeat("[[rollout.types.lamp.stages]]\npercent = 1\n", 16), "stages: 17, but at most 16"},
	} {
		if !strings.Contains(plans, c.old) {
			t.Fatalf("%q is not in the plans", c.old)
		}
		_, err := Open(newPlannedSite(t, good+strings.Replace(plans, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.new, err, c.want)
		}
	}
}
