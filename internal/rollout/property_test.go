package rollout

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The fleet of the property tests: devices of every temper, which ask, install, fail, go
// and come back as chance will have it, while an operator interferes.

type temper string

const (
	healthy  temper = "healthy"
	absent   temper = "absent"   // offline all the time
	sleepy   temper = "sleepy"   // comes now and then
	crashing temper = "crashing" // rolls back
	vanished temper = "vanished" // takes the release and is never heard of again
	deaf     temper = "deaf"     // asks, and never fetches anything
)

type simulated struct {
	Device
	temper
	busy time.Time // when the download and trial end
	into string
}

type simulation struct {
	t       *rapid.T
	s       State
	now     time.Time
	devices []*simulated
	told    map[string]bool // devices that were told of v2 in this roll-out
	over    bool            // aborted or stopped
}

func simulate(t *rapid.T) *simulation {
	var plan Plan
	for range rapid.IntRange(0, 4).Draw(t, "stages") {
		stage := Stage{
			Watch:    time.Duration(rapid.IntRange(0, 3).Draw(t, "watch")) * time.Hour,
			Failures: rapid.IntRange(0, 3).Draw(t, "failures"),
			AtOnce:   rapid.IntRange(0, 3).Draw(t, "at once"),
			Approve:  rapid.Bool().Draw(t, "approve"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "whom") {
		case 0:
			stage.Group = "g"
		case 1:
			stage.Tag = "t"
		case 2:
			stage.Percent = rapid.IntRange(1, 100).Draw(t, "percent")
		}
		if rapid.Bool().Draw(t, "rate") {
			stage.Rate = Rate{rapid.IntRange(1, 4).Draw(t, "devices"), time.Hour}
		}
		if rapid.Bool().Draw(t, "window") {
			from := rapid.IntRange(0, 1439).Draw(t, "from") // long enough to be met by who asks every ten minutes
			stage.Window = Window{From: Clock(from), To: Clock((from + rapid.IntRange(10, 1430).Draw(t, "length")) % 1440)}
		}
		plan.Stages = append(plan.Stages, stage)
	}
	w := &simulation{t: t, s: staged(plan), now: start, told: map[string]bool{}}
	for i := range rapid.IntRange(1, 12).Draw(t, "devices") {
		d := &simulated{Device: device(fmt.Sprintf("%06x", i*7919))}
		d.temper = rapid.SampledFrom([]temper{healthy, healthy, healthy, absent, sleepy, crashing, vanished, deaf}).Draw(t, "temper")
		d.Group = rapid.SampledFrom([]string{"", "g"}).Draw(t, "group")
		d.Tags = rapid.SampledFrom([][]string{nil, {"t"}}).Draw(t, "tags")
		d.Online = d.temper != absent
		w.devices = append(w.devices, d)
	}
	return w
}

// ask lets a device ask, and checks what it is told.
func (w *simulation) ask(d *simulated) {
	before := w.s
	told := Decide(w.s, d.Device, w.now)
	if told != Decide(w.s, d.Device, w.now) || !reflect.DeepEqual(before, w.s) {
		w.t.Fatal("to decide is not a pure function")
	}
	isNew := told.Release == "v2" && d.Running != "v2"
	if isNew && w.over {
		w.t.Fatalf("%s is told of v2 after it was %s: %s", d.ID, w.s.Status, told.Reason)
	}
	if d.into != "" && told.Release != d.into && told.Release != d.Running {
		w.t.Fatalf("%s is busy with %s and is told of %s: %s", d.ID, d.into, told.Release, told.Reason)
	}
	atRisk, recent := w.s.AtRisk, w.s.Recent
	if d.Last.open() && overdue(w.s.Plan, d.Device, w.now) {
		atRisk-- // its own, which the new one takes the place of
	}
	w.s, d.Device = Offer(w.s, d.Device, told, w.now)
	if isNew && told.Reason == StageReached {
		stage, ok := before.stage()
		switch {
		case !ok || before.Plan.stageOf(d.Device) > before.open():
			w.t.Fatalf("%s is told of v2 before its stage", d.ID)
		case stage.AtOnce > 0 && w.s.AtRisk > stage.AtOnce:
			w.t.Fatalf("%d at risk, the plan allows %d", w.s.AtRisk, stage.AtOnce)
		case stage.Rate.Devices > 0 && len(w.s.Recent) > stage.Rate.Devices:
			w.t.Fatalf("%d in an hour, the plan allows %d", len(w.s.Recent), stage.Rate.Devices)
		case !stage.Window.Open(w.now):
			w.t.Fatal("outside the window")
		case w.s.AtRisk != atRisk+1:
			w.t.Fatalf("%d at risk after %d", w.s.AtRisk, atRisk)
		}
	} else if w.s.AtRisk > before.AtRisk && told.Reason != GenerallyAvailable || len(w.s.Recent) != len(recent) {
		w.t.Fatalf("%s (%s) changed what is at risk", d.ID, told.Reason)
	}
	if isNew && d.into == "" && d.temper != deaf {
		w.s, d.Device = Taken(w.s, d.Device, "v2", w.now)
		d.into, d.busy = "v2", w.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(w.t, "minutes"))*time.Minute)
	}
}

// finish lets a device report what came of its update.
func (w *simulation) finish(d *simulated) {
	if d.into == "" || w.now.Before(d.busy) || d.temper == vanished {
		return
	}
	version := d.into
	d.into = ""
	switch {
	case d.temper == crashing:
		w.s, d.Device, _ = Failed(w.s, d.Device, version, RolledBack, w.now)
	case d.temper == healthy && rapid.IntRange(0, 9).Draw(w.t, "fetched") == 0:
		w.s, d.Device = Lapsed(w.s, d.Device, version, w.now)
	default:
		w.s, d.Device = Confirmed(w.s, d.Device, next, w.now)
	}
}

// step lets ten minutes pass.
func (w *simulation) step() {
	w.now = w.now.Add(10 * time.Minute)
	for _, d := range w.devices {
		if d.temper == sleepy {
			d.Online = rapid.IntRange(0, 5).Draw(w.t, "awake") == 0
		}
		if d.temper == vanished && d.into != "" {
			d.Online = false
		}
		if d.Online {
			w.finish(d)
			w.ask(d)
		}
	}
	fleet := make([]Device, len(w.devices))
	for i, d := range w.devices {
		fleet[i] = d.Device
	}
	counted := w.s.AtRisk
	s, changed, _ := Advance(w.s, fleet, w.now)
	w.s = s
	open := 0
	for _, d := range w.devices {
		if d.Last.open() && d.Last.of(w.s) {
			open++
		}
		for _, c := range changed {
			if c.ID == d.ID {
				d.Device = c
			}
		}
	}
	if open != counted {
		w.t.Fatalf("%d devices at risk were counted as %d", open, counted)
	}
	w.over = w.over || w.s.Status == Aborted || w.s.Status == Stopped
}

func TestWhateverDevicesAndOperatorDoThePlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := simulate(t)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			var err error
			switch rapid.IntRange(0, 20).Draw(t, "operator") {
			case 0:
				w.s, err = Pause(w.s)
			case 1:
				w.s, err = Resume(w.s)
			case 2:
				w.s, err = Abort(w.s)
			case 3, 4:
				w.s, _, err = Approve(w.s, w.now)
			}
			_ = err // it does not always fit
			w.over = w.over || w.s.Status == Aborted
			w.step()
		}
	})
}

func TestEveryHealthyDeviceThatIsOnlineEndsOnTheRelease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := simulate(t)
		ends := func() bool {
			for _, d := range w.devices {
				if d.temper == healthy && d.Running != "v2" {
					return false
				}
			}
			return w.s.Status == Complete
		}
		for i := 0; !ends() && !w.over; i++ {
			if i == 144*30 {
				t.Fatalf("not within a month: %+v", w.s)
			}
			if s, _, err := Approve(w.s, w.now); err == nil {
				w.s = s
			}
			w.step()
		}
		if !w.over {
			return
		}
		failed := 0 // then there was a reason to stop
		for _, d := range w.devices {
			if d.Last.State == TryFailed {
				failed++
			}
		}
		if failed == 0 {
			t.Fatalf("%s, but nobody failed", w.s.Status)
		}
	})
}

func TestAGreaterPercentageKeepsThoseChosen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := device(rapid.StringMatching("[0-9a-f]{6}").Draw(t, "id"))
		small := rapid.IntRange(1, 100).Draw(t, "small")
		large := rapid.IntRange(small, 100).Draw(t, "large")
		if (Stage{Percent: small}).Has(d) && !(Stage{Percent: large}).Has(d) {
			t.Fatalf("%s is in %d%% but not in %d%%", d.ID, small, large)
		}
		if !(Stage{Percent: 100}).Has(d) {
			t.Fatalf("%s is not in 100%%", d.ID)
		}
	})
}
