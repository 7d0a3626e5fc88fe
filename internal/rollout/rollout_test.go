package rollout

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	start  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	before = Release{"v1", 1}
	next   = Release{"v2", 2}
)

// staged is the state after v2 was published, with a plan, where v1 was everywhere.
func staged(plan Plan) State {
	if plan.ReportWithin == 0 {
		plan.ReportWithin = 30 * time.Minute
	}
	if plan.Patience == 0 {
		plan.Patience = 2 * time.Hour
	}
	s, _ := Start(State{}, "socket", before, plan, start)
	s, _ = Start(s, "socket", next, plan, start)
	return s
}

func device(id string, change ...func(*Device)) Device {
	d := Device{ID: id, Type: "socket", Online: true, Running: "v1", Sequence: 1}
	for _, c := range change {
		c(&d)
	}
	return d
}

func inGroup(name string) func(*Device) { return func(d *Device) { d.Group = name } }

func want(t *testing.T, s State, d Device, now time.Time, release string, reason Reason) {
	t.Helper()
	if got := Decide(s, d, now); got != (Decision{release, reason}) {
		t.Errorf("%s gets %+v, want %s %s", d.ID, got, release, reason)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// update lets a device ask, take what it is told of, and confirm it.
func update(s State, d Device, now time.Time) (State, Device) {
	told := Decide(s, d, now)
	s, d = Offer(s, d, told, now)
	s, d = Taken(s, d, told.Release, now)
	return Confirmed(s, d, Release{told.Release, s.Release.Sequence}, now)
}

func TestWithoutAPlanAReleaseIsForAllAtOnce(t *testing.T) {
	s := staged(Plan{})
	want(t, s, device("000001"), start, "v2", GenerallyAvailable)
	if got := General(s); got.Release != "v2" {
		t.Errorf("who does not tell who it is gets %+v", got)
	}
}

func TestTheFirstReleaseIsForAllAtOnce(t *testing.T) {
	plan := Plan{Stages: []Stage{{Group: "canary"}}}
	want(t, State{Type: "socket"}, device("000001"), start, "v1", NoRelease)
	s, _ := Start(State{}, "socket", before, plan, start)
	want(t, s, device("000001", func(d *Device) { d.Running = "" }), start, "v1", GenerallyAvailable)
}

func TestAStageFollowsTheOneBefore(t *testing.T) {
	s := staged(Plan{Stages: []Stage{
		{Group: "canary", Watch: time.Hour},
		{Tag: "indoor", Watch: time.Hour},
	}})
	canary, indoor, other := device("000001", inGroup("canary")),
		device("000002", func(d *Device) { d.Tags = []string{"x", "indoor"} }), device("000003")
	want(t, s, canary, start, "v2", StageReached)
	want(t, s, indoor, start, "v1", StageNotReached)

	s, canary = update(s, canary, start)
	fleet := func() []Device { return []Device{canary, indoor, other} }
	s, _, _ = Advance(s, fleet(), start)
	s, _, _ = Advance(s, fleet(), start.Add(time.Hour-1))
	want(t, s, indoor, start, "v1", StageNotReached)
	now := start.Add(time.Hour)
	s, _, events := Advance(s, fleet(), now)
	if len(events) != 2 || events[0].Kind != StagePassed || events[0].Stage != 0 || events[1].Kind != StageBegun || events[1].Stage != 1 {
		t.Errorf("events %+v", events)
	}
	want(t, s, indoor, now, "v2", StageReached)
	want(t, s, other, now, "v1", StageNotReached)
	if General(s).Release != "v1" {
		t.Error("generally available too early")
	}

	s, indoor = update(s, indoor, now)
	s, _, _ = Advance(s, fleet(), now)
	now = now.Add(time.Hour)
	s, _, _ = Advance(s, fleet(), now)
	want(t, s, other, now, "v2", GenerallyAvailable)
	want(t, s, indoor, now, "v2", UpToDate)
	if General(s).Release != "v2" || s.Confirmed != 2 {
		t.Errorf("in the end: %+v", s)
	}
}

func TestADeviceThatJoinsLateGetsWhatItsStageHasNow(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary", Watch: time.Hour}}})
	want(t, s, device("00000a", func(d *Device) { d.Running, d.Sequence = "v0", 0 }), start, "v1", StageNotReached)
	want(t, s, device("00000b", inGroup("canary")), start, "v2", StageReached)
}

func TestFailures(t *testing.T) {
	plan := Plan{Stages: []Stage{{Percent: 100, Failures: 1, Watch: time.Hour}}, ReportWithin: 10 * time.Minute}
	for name, fail := range map[string]func(s State, d Device) (State, Device, []Event){
		"rolled back":   func(s State, d Device) (State, Device, []Event) { return Failed(s, d, "v2", RolledBack, start) },
		"image refused": func(s State, d Device) (State, Device, []Event) { return Failed(s, d, "v2", Refused, start) },
		"crash loop after it was confirmed": func(s State, d Device) (State, Device, []Event) {
			s, d = Confirmed(s, d, next, start)
			return Failed(s, d, "v2", CrashLoop, start)
		},
		"not reported": func(s State, d Device) (State, Device, []Event) {
			s, changed, events := Advance(s, []Device{d}, start.Add(10*time.Minute))
			return s, changed[0], events
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := staged(plan)
			for i := range 2 {
				d := device(fmt.Sprintf("00000%d", i))
				s, d = Offer(s, d, Decide(s, d, start), start)
				s, d = Taken(s, d, "v2", start)
				var events []Event
				s, d, events = fail(s, d)
				if stopped := s.Status == Stopped; stopped != (i == 1) || len(events) != 1+i {
					t.Fatalf("after %d failures: %s, %+v", i+1, s.Status, events)
				}
				again, _, events := Failed(s, d, "v2", d.Last.Failure, start)
				if again.Failed != s.Failed || events != nil {
					t.Error("what is told again counts again")
				}
				if i == 0 && d.Running == "v1" {
					want(t, s, d, start, "v1", HasFailed)
				}
			}
			want(t, s, device("000009"), start, "v1", StoppedByFailures)
			if s.AtRisk != 0 {
				t.Errorf("%d at risk", s.AtRisk)
			}
		})
	}
}

func TestAFailureToFetchIsNoneOfTheRelease(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, AtOnce: 1}}})
	d := device("000001")
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d = Taken(s, d, "v2", start)
	want(t, s, device("000002"), start, "v1", TooManyAtOnce)
	s, d = Lapsed(s, d, "v2", start)
	want(t, s, device("000002"), start, "v2", StageReached)
	want(t, s, d, start, "v2", StageReached)
	if s.Failed != 0 {
		t.Error("it counts as a failure")
	}
}

// It asks the moment its offer is overdue, before a tick of the clock has let that lapse.
func TestWhoNeverFetchesDoesNotKeepTheOthersWaiting(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Rate: Rate{2, time.Hour}}}})
	deaf, other := device("000001"), device("000002")
	for now := start; s.Status == Running; now = now.Add(30 * time.Minute) {
		if now.After(start.Add(24 * time.Hour)) {
			t.Fatalf("within a day: %+v", s)
		}
		s, deaf = Offer(s, deaf, Decide(s, deaf, now), now)
		if now.After(start) { // the other comes second, each time
			s, other = update(s, other, now)
		}
		var changed []Device
		s, changed, _ = Advance(s, []Device{deaf, other}, now)
		if len(changed) > 0 {
			deaf = changed[0]
		}
	}
	if other.Running != "v2" {
		t.Errorf("the other runs %s", other.Running)
	}
}

func TestToleratedFailuresWithoutASuccessStopIt(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary", Failures: 1}, {Percent: 100}}})
	d := device("000001", inGroup("canary"))
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d, _ = Failed(s, d, "v2", RolledBack, start)
	want(t, s, device("000002"), start, "v1", StageNotReached)
	s, _, _ = Advance(s, []Device{d, device("000002")}, start)
	want(t, s, device("000002"), start, "v1", StoppedByFailures)
}

// Told of the release, it never came for it.
func TestAnOfferLapses(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, AtOnce: 1, Watch: time.Hour}}})
	d := device("000001")
	s, d = Offer(s, d, Decide(s, d, start), start)
	now := start.Add(30 * time.Minute)
	s, changed, events := Advance(s, []Device{d}, now)
	if len(changed) != 1 || len(events) != 0 || s.AtRisk != 0 || s.Failed != 0 {
		t.Fatalf("%+v %+v %+v", s, changed, events)
	}
	want(t, s, changed[0], now, "v2", StageReached)
}

func TestTheOperatorsWord(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100}}})
	d := device("000001")
	paused := must[State](t)(Pause(s))
	want(t, paused, d, start, "v1", IsPaused)
	want(t, must[State](t)(Resume(paused)), d, start, "v2", StageReached)
	want(t, must[State](t)(Abort(s)), d, start, "v1", IsAborted)
	want(t, s, device("000001", func(d *Device) { d.Pin = "v0" }), start, "v0", IsPinned)
	want(t, s, device("000001", func(d *Device) { d.Held, d.Pin = true, "v0" }), start, "v1", IsHeld)
	want(t, s, device("000001", func(d *Device) { d.Type = "lamp" }), start, "v1", NotThisType)

	everywhere, _, err := Everywhere(paused, start)
	if err != nil {
		t.Fatal(err)
	}
	want(t, everywhere, d, start, "v2", GenerallyAvailable)
	if _, err := Abort(everywhere); err == nil {
		t.Error("what is everywhere is aborted")
	}

	// Those that took it go on when the roll-out is paused, not when it is aborted.
	s, d = Offer(s, d, Decide(s, d, start), start)
	want(t, must[State](t)(Pause(s)), d, start, "v1", IsPaused)
	s, d = Taken(s, d, "v2", start)
	want(t, must[State](t)(Pause(s)), d, start, "v2", InProgress)
	aborted := must[State](t)(Abort(s))
	want(t, aborted, d, start, "v1", InProgress)
	aborted, d = Confirmed(aborted, d, next, start)
	want(t, aborted, d, start, "v2", UpToDate)

	s, d, _ = Failed(s, d, "v2", RolledBack, start)
	d.Running, d.Sequence = "v1", 1
	s, _ = Resume(s)
	s.Status = Running
	want(t, s, d, start, "v1", HasFailed)
	s, d, err = Retry(s, d, start)
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, d, start, "v2", StageReached)
	if s, _, _ := Failed(s, d, "v2", RolledBack, start); s.Failed != 1 {
		t.Error("what it reported before counts again")
	}
}

func TestAStageWaitsForApproval(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary"}, {Percent: 100, Approve: true}}})
	canary := device("000001", inGroup("canary"))
	s, canary = update(s, canary, start)
	d := device("000002")
	if _, _, err := Approve(s, start); err == nil {
		t.Error("a stage that has begun is approved")
	}
	s, _, events := Advance(s, []Device{canary, d}, start)
	if len(events) != 2 || events[0].Kind != StagePassed || events[1].Kind != ApprovalNeeded {
		t.Errorf("events %+v", events)
	}
	want(t, s, d, start, "v1", WaitingForApproval)
	want(t, s, device("000003", inGroup("canary")), start, "v2", StageReached)
	s, _, err := Approve(s, start)
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, d, start, "v2", StageReached)
}

func TestTheRateHoldsInEveryPeriod(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Rate: Rate{2, time.Hour}}}})
	var offered []time.Duration
	for at := time.Duration(0); at < 4*time.Hour; at += 10 * time.Minute {
		now := start.Add(at)
		d := device(fmt.Sprint(at))
		told := Decide(s, d, now)
		if told.Reason == StageReached {
			offered = append(offered, at/time.Minute)
		} else if told != (Decision{"v1", RateLimited}) {
			t.Fatalf("%+v", told)
		}
		s, _ = Offer(s, d, told, now)
	}
	if want := []time.Duration{0, 10, 60, 70, 120, 130, 180, 190}; !slices.Equal(offered, want) {
		t.Errorf("told after %d minutes, want %d", offered, want)
	}
}

func TestAClockThatWasAheadHoldsUpNothing(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary", Watch: time.Hour, Rate: Rate{1, time.Hour}}, {Percent: 100}}})
	one, two := device("000001", inGroup("canary")), device("000002", inGroup("canary"))
	year := start.AddDate(1, 0, 0)
	s, _, _ = Advance(s, []Device{one, two}, year)
	s, one = Offer(s, one, Decide(s, one, year), year) // and it is not heard of any more
	s, one = Taken(s, one, "v2", year)
	s.Opened = year

	s, changed, _ := Advance(s, []Device{one, two}, start)
	if len(changed) != 1 || changed[0].ID != one.ID {
		t.Fatalf("changed %+v", changed)
	}
	want(t, s, two, start, "v2", StageReached) // the rate counts nothing that is yet to come
	late := start.Add(31 * time.Minute)
	s, changed, _ = Advance(s, []Device{changed[0], two}, late)
	if s.Status != Stopped || len(changed) != 1 || changed[0].Last.Failure != NotReported {
		t.Errorf("%s, %+v", s.Status, changed)
	}

	s = staged(Plan{Stages: []Stage{{Percent: 100, Watch: time.Hour}}})
	s, one = update(s, device("000001"), start)
	s, _, _ = Advance(s, []Device{one}, year)
	s, _, _ = Advance(s, []Device{one}, start)
	if s, _, _ = Advance(s, []Device{one}, start.Add(time.Hour)); s.Status != Complete {
		t.Errorf("it waits for %s", s.Settled)
	}
}

func TestAnOfflineDeviceHoldsUpNothing(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Watch: time.Hour}}})
	off := device("000001", func(d *Device) { d.Online = false })
	mute := device("000002") // online, but it does not ask
	s, _, _ = Advance(s, []Device{off, mute}, start.Add(2*time.Hour-1))
	if !s.Settled.IsZero() {
		t.Error("it does not wait for the device that is online")
	}
	s, _, _ = Advance(s, []Device{off, mute}, start.Add(2*time.Hour))
	s, _, events := Advance(s, []Device{off, mute}, start.Add(3*time.Hour))
	if s.Status != Complete || len(events) != 2 || events[0].Kind != StageUnproven {
		t.Errorf("%s, %+v", s.Status, events)
	}
	want(t, s, off, start.Add(100*time.Hour), "v2", GenerallyAvailable)
}

func TestANewReleaseTakesOver(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary"}, {Percent: 100}}})
	busy, told, done := device("000001", inGroup("canary")), device("000002", inGroup("canary")), device("000003", inGroup("canary"))
	s, busy = Offer(s, busy, Decide(s, busy, start), start)
	s, busy = Taken(s, busy, "v2", start)
	s, told = Offer(s, told, Decide(s, told, start), start)
	s, done = update(s, done, start)
	s, _ = Start(s, "socket", Release{"v3", 3}, s.Plan, start)
	if s.AtRisk != 0 || s.General.Version != "v1" {
		t.Errorf("%+v", s)
	}
	want(t, s, busy, start, "v1", InProgress) // it may be restarting into v2
	want(t, s, told, start, "v3", StageReached)
	want(t, s, done, start, "v3", StageReached)
	want(t, s, device("000004"), start, "v1", StageNotReached)
	s, busy = Confirmed(s, busy, next, start)
	want(t, s, busy, start, "v3", StageReached)
	done.Group = ""
	want(t, s, done, start, "v2", StageNotReached) // never back
}

func TestEveryReasonIsExplained(t *testing.T) {
	for r := range explanations {
		if text := r.Explain("v2"); text == "" || strings.Contains(text, "%") {
			t.Errorf("%s is explained by %q", r, text)
		}
	}
	if len(explanations) != 19 {
		t.Errorf("%d reasons", len(explanations))
	}
}

func TestPercentagesAreStableEvenAndMonotone(t *testing.T) {
	for percent := 1; percent <= 100; percent++ {
		n := 0
		for i := range 2000 {
			d := device(fmt.Sprintf("%06x", i*0x101))
			in := Stage{Percent: percent}.Has(d)
			if in {
				n++
				if percent < 100 && !(Stage{Percent: percent + 1}).Has(d) {
					t.Fatalf("%s is in %d%% but not in more", d.ID, percent)
				}
			}
		}
		if n < percent*20-100 || n > percent*20+100 {
			t.Errorf("%d%% of 2000 are %d", percent, n)
		}
	}
	if !(Stage{Percent: 11}).Has(device("00c0de")) || (Stage{Percent: 10}).Has(device("00c0de")) {
		t.Errorf("00c0de has moved: its share is %d", share("00c0de"))
	}
}

// It joined late and is at the release before, when its stage of the next one begins.
func TestADeviceEndsWhatItBegan(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Approve: true}}})
	d := device("000001", func(d *Device) { d.Running, d.Sequence = "v0", 0 })
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, _, err := Approve(s, start)
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, d, start, "v2", StageReached) // it has not begun
	s, d = Taken(s, d, "v1", start)
	want(t, s, d, start, "v1", InProgress)
	s, d = Confirmed(s, d, before, start)
	want(t, s, d, start, "v2", StageReached)
	if s.Confirmed != 0 {
		t.Error("another release counts in the roll-out")
	}
}

// It runs the release already, and nobody knows yet whether it will stay on it.
func TestADeviceOnTrialIsToldOfNothingElse(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100}}})
	d := device("000001")
	s, d = Offer(s, d, Decide(s, d, start), start)
	s, d = Taken(s, d, "v2", start)
	d.Running, d.Sequence = "v2", 2
	want(t, s, d, start, "v2", InProgress)
	s, _ = Start(s, "socket", Release{"v3", 3}, AllAtOnce, start)
	s, _, _ = Everywhere(s, start)
	want(t, s, d, start, "v2", InProgress)
	s, d = Confirmed(s, d, next, start)
	want(t, s, d, start, "v3", GenerallyAvailable)
}

func TestAPlanThatBecomesShorterEndsTheRollout(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Group: "canary"}, {Percent: 10, Watch: time.Hour}, {Percent: 100}}})
	s, _, _ = Advance(s, nil, start)
	if s.Stage != 1 {
		t.Fatalf("stage %d", s.Stage)
	}
	s, _ = Start(s, "socket", next, Plan{Stages: s.Plan.Stages[:1], ReportWithin: time.Hour}, start)
	want(t, s, device("000001"), start, "v1", StageNotReached)
	s, _, events := Advance(s, nil, start)
	want(t, s, device("000001"), start, "v2", GenerallyAvailable)
	if len(events) != 1 || events[0].Kind != ReleaseGeneral {
		t.Errorf("events %+v", events)
	}
}

// Whoever kept a value finds it as it was.
func TestNothingGivenIsChanged(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100, Rate: Rate{3, time.Hour}}}})
	s, _ = Offer(s, device("000001"), Decision{"v2", StageReached}, start)
	s.Recent = slices.Grow(s.Recent, 8)
	one, _ := Offer(s, device("000002"), Decision{"v2", StageReached}, start.Add(time.Minute))
	Offer(s, device("000003"), Decision{"v2", StageReached}, start.Add(2*time.Minute))
	if !one.Recent[1].Equal(start.Add(time.Minute)) || len(s.Recent) != 1 {
		t.Errorf("%v", one.Recent)
	}
}

func TestAStateOutlivesJSON(t *testing.T) {
	s := staged(Plan{Stages: []Stage{
		{Group: "canary", Watch: time.Hour, Failures: 1, AtOnce: 2, Rate: Rate{3, time.Hour}, Window: Window{60, 120, 3}, Approve: true},
		{Percent: 100},
	}})
	s, _, _ = Approve(s, start)
	s, d := Offer(s, device("000001", inGroup("canary")), Decision{"v2", StageReached}, start)
	var s2 State
	var d2 Device
	for _, v := range [][2]any{{s, &s2}, {d, &d2}} {
		text, err := json.Marshal(v[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, v[1]); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(s, s2) || !reflect.DeepEqual(d, d2) {
		t.Errorf("%+v\n%+v\n%+v\n%+v", s, s2, d, d2)
	}
}

// However they came to run it: with the roll-out, before it, or over the serial line.
func TestADeviceThatRunsTheReleaseIsCounted(t *testing.T) {
	s := staged(Plan{Stages: []Stage{{Percent: 100}}})
	runs := func(d *Device) { d.Running, d.Sequence = "v2", 2 }
	ended := func(as TryState) func(*Device) { return func(d *Device) { d.Last = Try{Release: "v2", State: as} } }
	fleet := []Device{
		device("000001", runs), device("000002", runs, ended(TryConfirmed)),
		device("000003", runs, ended(TryOffered)), device("000004", runs, ended(TryFailed)), device("000005"),
	}
	s, _, _ = Advance(s, fleet, start)
	if s.Confirmed != 2 {
		t.Errorf("%d of 2", s.Confirmed)
	}
	if again, _, _ := Advance(s, fleet, start); again.Confirmed != 2 {
		t.Errorf("%d of 2, when they are counted again", again.Confirmed)
	}
}
