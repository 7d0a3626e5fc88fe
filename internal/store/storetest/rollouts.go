package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

func keepsRollouts(t *testing.T, b *bench) {
	load := func() rollout.Snapshot {
		t.Helper()
		b.open()
		all, err := b.store.LoadRollouts(t.Context())
		b.must(err)
		slices.SortFunc(all.Devices, func(a, b rollout.Device) int { return strings.Compare(a.ID, b.ID) })
		slices.SortFunc(all.Targets, func(a, b rollout.Target) int { return strings.Compare(a.Device, b.Device) })
		return all
	}
	save := func(s rollout.Snapshot) { t.Helper(); b.must(b.store.SaveRollouts(t.Context(), s)) }
	if got := load(); !reflect.DeepEqual(got, rollout.Snapshot{}) {
		t.Errorf("in the beginning: %s", show(got))
	}
	state := rollout.State{Type: "socket", Release: rollout.Release{Version: "v2", Sequence: 2}, Number: 2, Plan: rollout.AllAtOnce,
		Status: rollout.Running, Opened: now, Recent: []time.Time{now}}
	var want rollout.Snapshot
	for i := range 120 { // more than a statement takes
		id := fmt.Sprintf("%06x", i)
		want.Devices = append(want.Devices, rollout.Device{ID: id, Type: "socket", Tags: []string{"Café ☕ 'x'"},
			Last: rollout.Try{Release: "v2", State: rollout.TryOffered, Since: now}})
		want.Targets = append(want.Targets, rollout.Target{Device: id, Release: "v2", Since: now})
	}
	want.States = []rollout.State{state}
	save(want)
	if got := load(); !reflect.DeepEqual(got, want) {
		t.Errorf("loaded\n%s, saved\n%s", show(got), show(want))
	}
	want.States[0].Status = rollout.Stopped
	want.Devices[7].Held, want.Targets[7].Release = true, "v1"
	save(rollout.Snapshot{States: want.States, Devices: want.Devices[7:8], Targets: want.Targets[7:8]})
	if got := load(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a change: loaded\n%s, saved\n%s", show(got), show(want))
	}
}

// Roll-outs of firmware and of settings do not know of each other.
func keepsSettingsRollouts(t *testing.T, b *bench) {
	of := func(deviceType, release string) rollout.Snapshot {
		return rollout.Snapshot{
			States:  []rollout.State{{Type: deviceType, Release: rollout.Release{Version: release, Sequence: 1}, Status: rollout.Running}},
			Devices: []rollout.Device{{ID: "00c0de", Type: deviceType, Running: release}},
			Targets: []rollout.Target{{Device: "00c0de", Release: release, Since: now}},
		}
	}
	firmware, settings := of("socket", "v1"), of("socket.settings", "7")
	b.must(b.store.SaveRollouts(t.Context(), firmware))
	b.must(b.store.SettingsRollouts().SaveRollouts(t.Context(), settings))
	b.must(b.store.Apply(t.Context(), []fleet.Change{{Device: fleet.Device{ID: "00c0de", Status: fleet.Online}}}))
	b.open()
	load := func(from store.Rollouts, want rollout.Snapshot) {
		t.Helper()
		if got, err := from.LoadRollouts(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("loaded %s, %v, want %s", show(got), err, show(want))
		}
	}
	load(b.store, firmware)
	load(b.store.SettingsRollouts(), settings)
	if found := b.find(store.Query{ID: "00c0de"}); len(found) != 1 || found[0].Target != "v1" {
		t.Errorf("%s", show(found))
	}
	b.must(b.store.Remove(t.Context(), "00c0de"))
	load(b.store, rollout.Snapshot{States: firmware.States})
	load(b.store.SettingsRollouts(), rollout.Snapshot{States: settings.States})
}

// event is one of a roll-out of v2 to sockets.
func event(minute int, kind rollout.Kind, device string) rollout.Event {
	return rollout.Event{Kind: kind, At: now.Add(time.Duration(minute) * time.Minute), Type: "socket", Release: "v2", Device: device}
}

func keepsRolloutHistory(t *testing.T, b *bench) {
	started, begun := event(0, rollout.RolloutStarted, ""), event(1, rollout.StageBegun, "")
	offered, failed := event(2, rollout.DeviceOffered, "00c0de"), event(3, rollout.DeviceFailed, "00c0de")
	failed.Failure, failed.Stage = rollout.RolledBack, 1
	aborted := event(4, rollout.RolloutAborted, "")
	aborted.By = "ada"
	other := event(5, rollout.ReleaseGeneral, "")
	other.Type, other.Release = "sensor", "v7"
	all := []rollout.Event{started, begun, offered, failed, aborted, other}
	for range 2 { // saved again, it is there once
		b.must(b.store.SaveRollouts(t.Context(), rollout.Snapshot{Events: all}))
	}
	b.open()
	for name, test := range map[string]struct {
		query store.RolloutQuery
		want  []rollout.Event
	}{
		"all":               {store.RolloutQuery{}, []rollout.Event{started, begun, failed, aborted, other}},
		"a type":            {store.RolloutQuery{Type: "sensor"}, []rollout.Event{other}},
		"a release":         {store.RolloutQuery{Release: "v7"}, []rollout.Event{other}},
		"a device":          {store.RolloutQuery{Device: "00c0de"}, []rollout.Event{failed}},
		"who was told":      {store.RolloutQuery{Kind: rollout.DeviceOffered}, []rollout.Event{offered}},
		"since then":        {store.RolloutQuery{Since: aborted.At}, []rollout.Event{aborted, other}},
		"the newest":        {store.RolloutQuery{Limit: 2}, []rollout.Event{aborted, other}},
		"what is not there": {store.RolloutQuery{Type: "lamp"}, []rollout.Event{}},
	} {
		got, err := b.store.RolloutHistory(t.Context(), test.query)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v\n%s", name, err, show(got))
		}
	}
	keep := store.Keep(begun.At.AddDate(1, 0, 0))
	keep.PerType = 2
	n, err := b.store.Prune(t.Context(), keep)
	left, _ := b.store.RolloutHistory(t.Context(), store.RolloutQuery{})
	if err != nil || n != 3 || !reflect.DeepEqual(left, []rollout.Event{failed, aborted, other}) {
		t.Errorf("%d removed, %v, left\n%s", n, err, show(left))
	}
}

func countsAdoption(t *testing.T, b *bench) {
	runs := func(minute int, id, version string) {
		b.says(now.Add(time.Duration(minute)*time.Minute), id+"/info", info(id, "socket", version, 1, 1, 60*(minute+100), "power-on"))
	}
	adoption := func(until time.Duration) []store.AdoptionPoint {
		t.Helper()
		points, err := b.store.Adoption(t.Context(), "socket", "v2", now.Add(until))
		b.must(err)
		return points
	}
	runs(-60, "000001", "v1")
	runs(-50, "000002", "v1")
	runs(-40, "000003", "v2") // by a developer
	b.says(now, "000004/info", info("000004", "sensor", "v2", 1, 1, 1, "power-on"))
	if got := adoption(time.Hour); len(got) != 0 || got == nil {
		t.Errorf("before the roll-out: %s", show(got))
	}
	b.must(b.store.SaveRollouts(t.Context(), rollout.Snapshot{Events: []rollout.Event{
		event(0, rollout.RolloutStarted, ""), event(10, rollout.DeviceOffered, "000001"), event(20, rollout.DeviceOffered, "000002"),
		event(30, rollout.DeviceFailed, "000002"), event(35, rollout.DeviceFailed, "000002"),
	}}))
	runs(15, "000001", "v2")
	runs(25, "000002", "v2")
	runs(30, "000002", "v1")
	at := func(points []store.AdoptionPoint, minute int) (p store.AdoptionPoint) {
		for _, q := range points {
			if !q.At.After(now.Add(time.Duration(minute)*time.Minute + 20*time.Second)) {
				p = q
			}
		}
		p.At = time.Time{}
		return p
	}
	points := adoption(time.Hour)
	for minute, want := range map[int]store.AdoptionPoint{
		0:  {OnRelease: 1},
		12: {OnRelease: 1, Offered: 1},
		17: {OnRelease: 2, Offered: 1},
		27: {OnRelease: 3, Offered: 2},
		40: {OnRelease: 2, Offered: 2, Failed: 1},
		60: {OnRelease: 2, Offered: 2, Failed: 1},
	} {
		if got := at(points, minute); got != want {
			t.Errorf("after %d minutes %+v, want %+v", minute, got, want)
		}
	}
	last := points[len(points)-1]
	if !last.At.Equal(now.Add(time.Hour)) {
		t.Errorf("the last point is at %v", last.At)
	}
	for i := range 1000 {
		runs(100+i, "000001", fmt.Sprint("v", i/10%2+1))
	}
	if n := len(adoption(2000 * time.Minute)); n < 50 || n > 201 {
		t.Errorf("%d points", n)
	}
}

func findsFailed(t *testing.T, b *bench) {
	b.must(b.store.SetReleases(t.Context(), []store.Release{
		{Type: "socket", Version: "v1", Sequence: 1}, {Type: "socket", Version: "v2", Sequence: 2, Served: true},
		{Type: "sensor", Version: "v2", Sequence: 2, Served: true},
	}))
	runs := func(id, deviceType, version, state string) {
		b.says(now, id+"/info", info(id, deviceType, version, 1, 1, 100, "power-on"))
		b.says(now, id+"/update/status", `{"state":"`+state+`","version":"v2"}`)
	}
	runs("000001", "socket", "v1", "rolled-back") // just now
	runs("000002", "socket", "v1", "idle")        // in the night, and looked again since
	runs("000003", "socket", "v2", "confirmed")   // the second time it went well
	runs("000004", "sensor", "v1", "idle")        // it was a socket then
	runs("000005", "socket", "v1", "idle")        // with a release before
	runs("000006", "socket", "v1", "idle")        // never
	before := event(0, rollout.DeviceFailed, "000005")
	before.Release = "v1"
	b.must(b.store.SaveRollouts(t.Context(), rollout.Snapshot{Events: []rollout.Event{
		before, event(1, rollout.DeviceFailed, "000002"), event(2, rollout.DeviceFailed, "000003"),
		event(3, rollout.DeviceFailed, "000004"), event(4, rollout.DeviceOffered, "000006"),
	}}))
	if got := b.ids(store.Query{Condition: store.FailedUpdate}); got != "000001 000002" {
		t.Errorf("failed: %s", got)
	}
	b.must(b.store.SetReleases(t.Context(), []store.Release{{Type: "socket", Version: "v3", Sequence: 3, Served: true}}))
	if got := b.ids(store.Query{Condition: store.FailedUpdate}); got != "000001" {
		t.Errorf("after a better release: %s", got)
	}
}

func findsLagging(t *testing.T, b *bench) {
	b.must(b.store.SetReleases(t.Context(), []store.Release{
		{Type: "socket", Version: "v1", Sequence: 1}, {Type: "socket", Version: "v2", Sequence: 2, Served: true},
		{Type: "sensor", Version: "dev1"}, {Type: "sensor", Version: "dev2", Served: true},
	}))
	var targets []rollout.Target
	for _, d := range []struct {
		id, deviceType, version string
		sequence                int
		target                  string
		hours                   int
	}{
		{"000001", "socket", "v2", 2, "v2", 48}, // has it
		{"000002", "socket", "v1", 1, "v2", 48}, // lags
		{"000003", "socket", "v1", 1, "v2", 23}, // still has time
		{"000004", "socket", "v1", 1, "v1", 48}, // held, or its stage has not come
		{"000005", "socket", "v2", 2, "v1", 48}, // pinned to an older one, which it does not install
		{"000006", "sensor", "dev1", 0, "dev2", 48},
		{"000007", "socket", "v1", 1, "", 0}, // nothing is known of what it should run
	} {
		b.says(now, d.id+"/info", info(d.id, d.deviceType, d.version, uint32(d.sequence), 1, 100, "power-on"))
		if d.target != "" {
			targets = append(targets, rollout.Target{Device: d.id, Release: d.target, Since: now.Add(-time.Duration(d.hours) * time.Hour)})
		}
	}
	b.must(b.store.SaveRollouts(t.Context(), rollout.Snapshot{Targets: targets}))
	lagging := store.Query{Condition: store.Lagging, Now: now}
	if got := b.ids(lagging); got != "000006 000002" {
		t.Errorf("lagging: %s", got)
	}
	lagging.Now, lagging.Type = now.Add(time.Hour), "socket"
	if got := b.ids(lagging); got != "000002 000003" {
		t.Errorf("lagging an hour later: %s", got)
	}
	if d := b.find(store.Query{ID: "000002"})[0]; d.Target != "v2" {
		t.Errorf("its target is %q", d.Target)
	}
}

func letsOneServerIn(t *testing.T, b *bench) {
	if _, err := store.Open(t.Context(), b.where); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("a second server: %v", err)
	}
	reader, err := store.OpenExisting(t.Context(), b.where)
	b.must(err)
	defer reader.Close()
	b.says(now, "00c0de/status", fleet.Online)
	if found, err := reader.Find(t.Context(), store.Query{}); err != nil || len(found) != 1 {
		t.Errorf("a reader finds %d devices, %v", len(found), err)
	}
	b.must(b.store.KeepLock(t.Context()))
	b.open() // the one that had it has ended
}
