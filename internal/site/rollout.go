package site

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"esper/internal/image"
	"esper/internal/rollout"
)

// Limits on a roll-out plan.
const (
	maxStages = 16
	maxCount  = 10_000 // devices in a limit

	maxLabel        = 32 // characters of a group or tag
	labelCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

	defaultReport = "1h"
)

// Rollouts is how releases reach the devices.
type Rollouts struct {
	all    rollout.Plan
	ofType map[string]rollout.Plan
}

// Plan returns the plan for a device type.
func (r Rollouts) Plan(deviceType string) rollout.Plan {
	if plan, ok := r.ofType[deviceType]; ok {
		return plan
	}
	return r.all
}

// known checks that each plan for a type is for one that the site has: a slip in its name
// would let its devices have each release all at once.
func (r Rollouts) known(types []DeviceType) error {
	for _, name := range slices.Sorted(maps.Keys(r.ofType)) {
		if !slices.ContainsFunc(types, func(t DeviceType) bool { return t.Name == name }) {
			return fmt.Errorf("rollout.types.%s: there is no %s/%s", name, DevicesDir, name)
		}
	}
	return nil
}

// rolloutFile is [rollout] in esper.toml.
type rolloutFile struct {
	planFile
	Types map[string]planFile `toml:"types"`
}

type planFile struct {
	ReportWithin string      `toml:"report_within"`
	Stages       []stageFile `toml:"stages"`
}

type stageFile struct {
	Group    string   `toml:"group"`
	Tag      string   `toml:"tag"`
	Percent  *int     `toml:"percent"`
	Watch    string   `toml:"watch"`
	Failures int      `toml:"failures"`
	AtOnce   *int     `toml:"at_once"`
	Rate     string   `toml:"rate"`
	Window   string   `toml:"window"`
	Days     []string `toml:"days"`
	Approve  bool     `toml:"approve"`
}

// check returns the plans. Interval is how often devices ask.
func (f rolloutFile) check(interval time.Duration) (Rollouts, error) {
	r := Rollouts{ofType: map[string]rollout.Plan{}}
	var err error
	if r.all, err = f.planFile.check(interval); err != nil {
		return r, fmt.Errorf("rollout.%w", err)
	}
	for name, plan := range f.Types {
		if image.CheckDeviceType(name) != nil {
			return r, fmt.Errorf("rollout.types: %.40q is not a device type", name)
		}
		if plan.ReportWithin == "" {
			plan.ReportWithin = f.ReportWithin
		}
		if r.ofType[name], err = plan.check(interval); err != nil {
			return r, fmt.Errorf("rollout.types.%s.%w", name, err)
		}
	}
	return r, nil
}

func (f planFile) check(interval time.Duration) (rollout.Plan, error) {
	plan := rollout.Plan{Patience: 2 * interval}
	if f.ReportWithin == "" {
		f.ReportWithin = defaultReport
	}
	var err error
	if plan.ReportWithin, err = checkDuration(f.ReportWithin, minInterval, maxInterval); err != nil {
		return plan, fmt.Errorf("report_within: %w", err)
	}
	if len(f.Stages) > maxStages {
		return plan, fmt.Errorf("stages: %d, but at most %d are allowed", len(f.Stages), maxStages)
	}
	for i, s := range f.Stages {
		stage, err := s.check(interval)
		if err != nil {
			return plan, fmt.Errorf("stages, number %d: %w", i+1, err)
		}
		plan.Stages = append(plan.Stages, stage)
	}
	return plan, nil
}

func (f stageFile) check(interval time.Duration) (rollout.Stage, error) {
	stage := rollout.Stage{Group: f.Group, Tag: f.Tag, Failures: f.Failures, Approve: f.Approve}
	whom := 0
	for _, label := range []string{f.Group, f.Tag} {
		if label == "" {
			continue
		}
		whom++
		if len(label) > maxLabel || strings.Trim(label, labelCharacters) != "" {
			return stage, fmt.Errorf("a group or tag is 1 to %d of a-z, 0-9, - and _", maxLabel)
		}
	}
	if f.Percent != nil {
		whom++
		if stage.Percent = *f.Percent; stage.Percent < 1 || stage.Percent > 100 {
			return stage, fmt.Errorf("percent: %d is not between 1 and 100", stage.Percent)
		}
	}
	if whom != 1 {
		return stage, errors.New("needs one of group, tag and percent: which devices it is for")
	}
	if f.Failures < 0 || f.Failures > maxCount {
		return stage, fmt.Errorf("failures: %d is not between 0 and %d", f.Failures, maxCount)
	}
	if f.AtOnce != nil {
		if stage.AtOnce = *f.AtOnce; stage.AtOnce < 1 || stage.AtOnce > maxCount {
			return stage, fmt.Errorf("at_once: %d is not between 1 and %d; leave it out for no limit", stage.AtOnce, maxCount)
		}
	}
	var err error
	if f.Watch != "" && f.Watch != "0s" {
		if stage.Watch, err = checkDuration(f.Watch, minInterval, maxInterval); err != nil {
			return stage, fmt.Errorf("watch: %w", err)
		}
	}
	if f.Rate != "" {
		if stage.Rate, err = parseRate(f.Rate); err != nil {
			return stage, fmt.Errorf("rate: %w", err)
		}
	}
	if stage.Window, err = parseWindow(f.Window, f.Days, interval); err != nil {
		return stage, err
	}
	return stage, nil
}

// parseRate reads "20/1h".
func parseRate(text string) (rollout.Rate, error) {
	count, per, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 || n > maxCount {
		return rollout.Rate{}, fmt.Errorf("%.40q is not devices per time, such as \"20/1h\"", text)
	}
	period, err := checkDuration(per, minInterval, maxInterval)
	return rollout.Rate{Devices: n, Per: period}, err
}

// parseWindow reads "22:00-04:00" and days such as "sat". Without a window the days are
// whole ones.
func parseWindow(text string, days []string, interval time.Duration) (rollout.Window, error) {
	var w rollout.Window
	for _, name := range days {
		day, ok := weekdays[name]
		if !ok {
			return w, fmt.Errorf("days: %.40q is none of mon, tue, wed, thu, fri, sat, sun", name)
		}
		w.Days |= 1 << day
	}
	if text == "" {
		return w, nil
	}
	from, to, ok := strings.Cut(text, "-")
	begin, err1 := time.Parse("15:04", from)
	end, err2 := time.Parse("15:04", to)
	if !ok || err1 != nil || err2 != nil {
		return w, fmt.Errorf("window: %.40q is not two times of day, such as \"22:00-04:00\"", text)
	}
	w.From = rollout.Clock(begin.Hour()*60 + begin.Minute())
	w.To = rollout.Clock(end.Hour()*60 + end.Minute())
	length := end.Sub(begin)
	if length <= 0 {
		length += 24 * time.Hour
	}
	if length < interval {
		return w, fmt.Errorf("window: %s is shorter than update.interval, %s: devices would miss it", text, interval)
	}
	return w, nil
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}
