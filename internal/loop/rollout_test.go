package loop

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/store"
)

// steered is a conductor with the feed of what it rolls out.
type steered struct {
	*conductor.Conductor
	feed *repository.Feed
}

// Tick does what a server does every two seconds.
func (s steered) Tick(ctx context.Context, heard bool) error {
	if err := s.feed.Look(); err != nil {
		return err
	}
	return s.Conductor.Tick(ctx, heard)
}

// conduct lets a plan decide which release the devices get, and keeps the roll-outs in a
// database.
func (w *world) conduct(plan rollout.Plan, canary string) (steered, store.Store) {
	w.t.Helper()
	kept := w.database()
	c := w.openConductor(conductor.Config{Storage: kept}, plan, canary)
	feed := repository.NewFeed(w.repository, c.Published)
	w.handler = http.StripPrefix("/firmware", w.repository.HandlerFor(func(q repository.Request) string {
		if err := feed.Check(q.Type); err != nil {
			w.t.Error(err)
		}
		return c.Choose(q)
	}, c.Seen))
	return steered{c, feed}, kept
}

// database is a new one, for the time of the test.
func (w *world) database() store.Store {
	w.t.Helper()
	kept, err := store.Open(w.t.Context(), store.InMemory)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { kept.Close() })
	return kept
}

// openConductor makes a conductor with a plan, which hears the fleet, and a group for its canary.
func (w *world) openConductor(config conductor.Config, plan rollout.Plan, canary string) *conductor.Conductor {
	w.t.Helper()
	config.Plan = func(string) rollout.Plan { return plan }
	config.Keep = w.repository.Keep
	config.Now = func() time.Time { return time.Unix(0, int64(w.Now())).UTC() }
	config.Log = slog.New(slog.DiscardHandler)
	c, err := conductor.Open(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.fleet.Follow(c.Report)
	report := w.broker.OnMessage
	w.broker.OnMessage = func(m network.Message) {
		report(m)
		if strings.HasPrefix(m.Topic, realm+"/"+canary+"/") {
			w.fleet.Label(canary, fleet.Labels{Group: "canary"})
		}
	}
	return c
}

// conductUntil lets everything work until the condition holds, with a tick of the conductor every few seconds.
func (w *world) conductUntil(c steered, what string, max time.Duration, condition func() bool) {
	w.t.Helper()
	for end := w.Now() + max; !condition(); w.RunFor(5 * time.Second) {
		if err := c.Tick(w.t.Context(), true); err != nil {
			w.t.Fatal(err)
		}
		if w.Now() > end {
			w.t.Fatalf("not within %v: %s", max, what)
		}
	}
}

// The canary rolls back, the roll-out stops, the rest of the fleet never sees the release.
// Then a good one goes through all stages.
func TestACanaryProtectsTheFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const watch = 10 * time.Minute
	c, kept := w.conduct(rollout.Plan{
		Stages: []rollout.Stage{
			{Group: "canary", Watch: watch},
			{Percent: 50, Watch: watch, AtOnce: 1},
			{Percent: 100},
		},
		ReportWithin: time.Hour, Patience: 2 * time.Hour,
	}, "000003")
	var devices []*emulator.Device
	for id := range uint32(5) {
		devices = append(devices, w.add(id+1, "socket", "v1", 1))
	}
	canary := devices[2]
	w.publish("socket", "v1", 1)
	w.settle()
	status := func() rollout.State { return c.Rollouts()[0] }
	all := func(version string) bool {
		for _, d := range devices {
			if !w.runs(d, version) {
				return false
			}
		}
		return true
	}

	crash := failures["crashes at once"].variant
	crash.name = "crashes at once"
	w.publishVariant("socket", "v2", 2, crash)
	if err := c.Tick(w.t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.notify()
	w.conductUntil(c, "the end of v2's roll-out", 5*time.Minute, func() bool { return status().Status == rollout.Stopped })
	if !slices.ContainsFunc(w.updates[canary.ID()], func(u fleet.UpdateStatus) bool {
		return u.State == "rolled-back" && u.Version == "v2" && u.Error == "crashed"
	}) {
		t.Errorf("the canary reported %+v", w.updates[canary.ID()])
	}
	for range 3 {
		w.notify()
		w.RunFor(time.Hour)
	}
	if !all("v1") {
		t.Error("not everybody runs v1 any more")
	}
	for _, q := range w.web.Requests() {
		if strings.Contains(q.URL, "version=v2") && q.Header.Get("X-Esper-Device") != canary.ID() {
			t.Errorf("%s of %s", q.URL, q.Header.Get("X-Esper-Device"))
		}
	}
	for _, d := range devices {
		want := rollout.StoppedByFailures
		if d == canary {
			want = rollout.HasFailed
		} else if d.Resets() != 0 {
			t.Errorf("%s was restarted", d.ID())
		}
		if why, err := c.Why(d.ID()); err != nil || why.Reason != want {
			t.Errorf("%s: %+v, %v; want %s", d.ID(), why, err, want)
		}
	}

	if err := c.Tick(w.t.Context(), true); err != nil {
		t.Fatal(err)
	}
	history, err := kept.RolloutHistory(t.Context(), store.RolloutQuery{Release: "v2"})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []rollout.Kind
	for _, e := range history {
		kinds = append(kinds, e.Kind)
	}
	if want := []rollout.Kind{rollout.RolloutStarted, rollout.StageBegun, rollout.DeviceFailed, rollout.RolloutStopped}; !slices.Equal(kinds, want) ||
		history[2].Device != canary.ID() || history[2].Failure != rollout.RolledBack {
		t.Errorf("the history of v2: %+v", history)
	}

	w.publish("socket", "v3", 3)
	if err := c.Tick(w.t.Context(), true); err != nil {
		t.Fatal(err)
	}
	began := w.Now()
	w.notify()
	w.conductUntil(c, "v3 on the canary", 5*time.Minute, func() bool { return w.runs(canary, "v3") })
	for stage := 1; stage <= 2; stage++ {
		w.conductUntil(c, "the next stage", watch+2*time.Hour, func() bool { return status().Stage == stage })
		w.notify()
	}
	w.conductUntil(c, "v3 on all", 4*time.Hour, func() bool { return all("v3") && status().Status == rollout.Complete })
	if took := w.Now() - began; took < 2*watch {
		t.Errorf("all stages took only %v", took)
	}
	if s := status(); s.General.Version != "v3" || s.Confirmed != 5 || s.AtRisk != 0 {
		t.Errorf("in the end: %+v", s)
	}
}

// Of three devices that run the old release, the one lags that was meant to have the new one
// for a day: not the one that is held, nor the one whose stage has not come.
func TestWhoLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, kept := w.conduct(rollout.Plan{
		Stages:       []rollout.Stage{{Group: "canary"}, {Percent: 100, Approve: true}},
		ReportWithin: time.Hour, Patience: 2 * time.Hour,
	}, "000001")
	canary := w.add(1, "socket", "v1", 1)
	held := w.add(2, "socket", "v1", 1)
	late := w.add(3, "socket", "v1", 1)
	w.publish("socket", "v1", 1)
	w.settle()
	if err := c.Hold(t.Context(), held.ID(), true); err != nil {
		t.Fatal(err)
	}
	lagging := func(after time.Duration) string {
		t.Helper()
		var changes []fleet.Change
		for _, d := range w.fleet.Devices() {
			changes = append(changes, fleet.Change{Device: d})
		}
		if err := kept.Apply(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		found, err := kept.Find(t.Context(), store.Query{Condition: store.Lagging, Now: time.Unix(0, int64(w.Now()+after))})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, d := range found {
			ids = append(ids, d.ID)
		}
		return strings.Join(ids, " ")
	}
	if err := kept.SetReleases(t.Context(), []store.Release{
		{Type: "socket", Version: "v1", Sequence: 1}, {Type: "socket", Version: "v2", Sequence: 2, Served: true},
	}); err != nil {
		t.Fatal(err)
	}
	w.publish("socket", "v2", 2)
	if err := c.Tick(w.t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if now, later := lagging(0), lagging(store.LagsAfter); now != "" || later != canary.ID() {
		t.Errorf("it has not asked: %q lag now, %q in a day", now, later)
	}
	w.notify()
	w.conductUntil(c, "v2 on the canary", 5*time.Minute, func() bool { return w.runs(canary, "v2") })
	if got := lagging(store.LagsAfter); got != "" {
		t.Errorf("%q lag although none of them is meant to have it", got)
	}
	w.conductUntil(c, "the wait for approval", time.Hour, func() bool { return c.Approve(t.Context(), "socket", "ada") == nil })
	if err := c.Tick(w.t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := lagging(store.LagsAfter); got != late.ID() {
		t.Errorf("after the approval %q lag, want %s", got, late.ID())
	}
}
