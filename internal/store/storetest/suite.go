// Package storetest checks that a database behaves as the inventory expects, and
// runs PostgreSQL for tests.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/store"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// Suite checks a back end. newDatabase returns where there is an empty database.
func Suite(t *testing.T, newDatabase func(testing.TB) string) {
	for name, test := range map[string]func(*testing.T, *bench){
		"what devices report is stored":         storesReports,
		"the history is kept":                   keepsHistory,
		"applying again changes nothing":        appliesTwice,
		"a batch is stored whole or not at all": appliesWhole,
		"labels":                                labels,
		"a forgotten device":                    forgets,
		"pages":                                 pages,
		"groups and tags":                       hasMembers,
		"a removed device":                      removes,
		"each condition is found":               findsConditions,
		"devices that sleep are found":          findsSleeping,
		"the history is pruned":                 prunes,
		"the recorder":                          records,
		"tokens":                                keepsTokens,
		"how devices log in":                    keepsDeviceLogins,
		"the audit log":                         keepsAudit,
		"settings of a device":                  storesSettings,
		"roll-outs are kept":                    keepsRollouts,
		"roll-outs of settings are kept":        keepsSettingsRollouts,
		"what happened in roll-outs is kept":    keepsRolloutHistory,
		"the adoption of a release is counted":  countsAdoption,
		"who lags is found":                     findsLagging,
		"who failed is found":                   findsFailed,
		"wanted settings are kept":              keepsWantedSettings,
		"one server has it":                     letsOneServerIn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			where := newDatabase(t)
			b := &bench{T: t, where: where, fleet: fleet.New("home", slog.New(slog.DiscardHandler))}
			b.open()
			test(t, b)
		})
	}
	t.Run("from every earlier schema", func(t *testing.T) { migrates(t, newDatabase) })
	t.Run("a newer schema is refused", func(t *testing.T) { refusesNewer(t, newDatabase(t)) })
}

// bench is one database under test, and a fleet that reports into it.
type bench struct {
	*testing.T
	where string
	store store.Store
	fleet *fleet.Fleet
}

// open opens the database, again if it was open.
func (b *bench) open() {
	b.Helper()
	if b.store != nil {
		b.store.Close()
	}
	s, err := store.Open(b.Context(), b.where)
	if err != nil {
		b.Fatal(err)
	}
	b.store = s
	b.Cleanup(func() { s.Close() })
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// says applies what one message of a device changes.
func (b *bench) says(at time.Time, topic, payload string) {
	b.Helper()
	if c, changed := b.fleet.Handle("home/"+topic, []byte(payload), at); changed {
		b.must(b.store.Apply(b.Context(), []fleet.Change{c}))
	}
}

func (b *bench) find(q store.Query) []store.Device {
	b.Helper()
	devices, err := b.store.Find(b.Context(), q)
	b.must(err)
	return devices
}

// ids are those of the devices that a query finds.
func (b *bench) ids(q store.Query) string {
	b.Helper()
	var ids []string
	for _, d := range b.find(q) {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

func (b *bench) history(q store.HistoryQuery) []fleet.Event {
	b.Helper()
	events, err := b.store.History(b.Context(), q)
	b.must(err)
	return events
}

// info is the info of a device, as it sends it.
func info(id, deviceType, version string, sequence uint32, boot, uptime int, reset string) string {
	return fmt.Sprintf(`{"device":"%s","chip_id":"%s","flash_id":"1440ef",
		"version":{"esper":"%s","sequence":%d,"sdk":"3.0.5","boot":%d},
		"boot":{"rom":1,"default":0,"trial":true,"reset":"%s","slots":[{"version":"8a1b2c3d","sequence":42},null]},
		"network":{"mac":"5c:cf:7f:00:c0:de","ip":"192.168.1.23","mask":"255.255.255.0","gateway":"192.168.1.1"},
		"wifi":{"ssid":"Café ☕ 'x'","bssid":"02:00:00:00:00:01","rssi":-61,"channel":6},
		"heap":41200,"uptime":%d}`, deviceType, id, version, sequence, boot, reset, uptime)
}

func storesSettings(t *testing.T, b *bench) {
	b.says(now, "00c0de/settings", `{"state":"rolled-back","sequence":4294967295,"own":3,"candidate":7,"from":"flash","error":"no-wifi"}`)
	b.open()
	want := &fleet.SettingsStatus{State: "rolled-back", Sequence: 4294967295, Own: 3, Candidate: 7, From: "flash", Error: "no-wifi"}
	if found := b.find(store.Query{}); len(found) != 1 || !reflect.DeepEqual(found[0].Settings, want) {
		t.Errorf("stored %s", show(found))
	}
	if events := b.history(store.HistoryQuery{Kind: fleet.SettingsEvent}); len(events) != 1 || events[0].Version != "7" || events[0].Error != "no-wifi" {
		t.Errorf("history %s", show(events))
	}
	b.says(now, "00c0de/settings", "")
	b.says(now, "00c0de/status", "")
	if found := b.find(store.Query{}); len(found) != 0 {
		t.Errorf("stored %s", show(found))
	}
}

func storesReports(t *testing.T, b *bench) {
	b.says(now, "00c0de/status", "ONLINE")
	b.says(now, "00c0de/info", info("00c0de", "socket", "8a1b2c3d", 4294967295, 1, 12, "power-on"))
	b.says(now.Add(time.Hour), "00c0de/update/status", `{"state":"downloading","version":"9c0d1e2f","progress":40,"error":"","received":4294967295}`)
	b.says(now.Add(2*time.Hour), "00c0de/info", "{")
	b.says(now, "00fade/update/status", `{"state":"failed","version":"v1","progress":0,"error":"http-status","http_status":404}`)
	b.says(now, "00beef/status", "OFFLINE")
	b.says(now, "00beef/update/status", `{"state":"verifying","version":"v1","received":0}`) // which is not unknown
	want := b.fleet.Devices()
	for _, again := range []bool{false, true} {
		if again {
			b.open() // a restart keeps it all
		}
		var got []fleet.Device
		for _, d := range b.find(store.Query{}) {
			if time.Since(d.FirstSeen).Abs() > time.Minute {
				t.Errorf("first seen %v", d.FirstSeen)
			}
			got = append(got, d.Device)
		}
		restored := fleet.New("home", slog.New(slog.DiscardHandler))
		restored.Restore(got)
		if got := show(restored.Devices()); got != show(want) {
			t.Errorf("restored\n%s, reported\n%s", got, show(want))
		}
	}
	if got := b.ids(store.Query{ID: "00c0de", Type: "socket"}); got != "00c0de" {
		t.Errorf("found %s", got)
	}
	if got := b.ids(store.Query{ID: "00c0de", Type: "button"}); got != "" {
		t.Errorf("found %s", got)
	}
}

func keepsHistory(t *testing.T, b *bench) {
	b.says(time.Time{}, "00beef/status", "ONLINE") // kept by the broker: when it was is not known
	b.says(now, "00c0de/status", "ONLINE")
	b.says(now, "00c0de/info", info("00c0de", "socket", "8a1b2c3d", 42, 1, 600, "power-on"))
	at := now
	for _, status := range []string{
		`"downloading","version":"9c0d1e2f","received":0`, `"verifying","version":"9c0d1e2f","received":1234`, `"trial","version":"9c0d1e2f"`,
	} {
		at = at.Add(10 * time.Second)
		b.says(at, "00c0de/update/status", `{"state":`+status+`}`)
	}
	b.says(at.Add(5*time.Second), "00c0de/info", info("00c0de", "socket", "9c0d1e2f", 43, 1, 5, "restart"))
	b.says(at.Add(30*time.Second), "00c0de/update/status", `{"state":"confirmed","version":"9c0d1e2f"}`)
	b.says(at.Add(time.Hour), "00c0de/update/status", `{"state":"failed","version":"aaaa0000","error":"bad-signature"}`)

	events := b.history(store.HistoryQuery{Device: "00c0de"})
	updates := fleet.Updates(events)
	if len(updates) != 2 || updates[0].Took() != 50*time.Second || updates[0].From != "8a1b2c3d" ||
		updates[0].Version != "9c0d1e2f" || updates[0].State != "confirmed" || updates[1].Error != "bad-signature" {
		t.Errorf("updates %+v of\n%s", updates, show(events))
	}
	if received := updates[0].Received; received == nil || *received != 1234 || updates[0].Seconds != 20 || updates[1].Received != nil {
		t.Errorf("the updates cost %s", show(updates))
	}
	runs := fleet.Runs(events)
	if len(runs) != 2 || runs[0].Version != "8a1b2c3d" || runs[1].Version != "9c0d1e2f" || !runs[1].Since.Equal(runs[0].Until) {
		t.Errorf("runs %+v of\n%s", runs, show(events))
	}
	restarts := b.history(store.HistoryQuery{Kind: fleet.RestartEvent})
	if len(restarts) != 1 || restarts[0].After != "restart" || !restarts[0].At.Equal(at.Add(5*time.Second)) {
		t.Errorf("restarts %s", show(restarts))
	}
	late := b.history(store.HistoryQuery{Device: "00beef"})
	if len(late) != 1 || !late[0].Late || time.Since(late[0].At).Abs() > time.Minute {
		t.Errorf("late %s", show(late))
	}
	newest := b.history(store.HistoryQuery{Device: "00c0de", Limit: 2})
	if !reflect.DeepEqual(newest, events[len(events)-2:]) {
		t.Errorf("the newest two are\n%s", show(newest))
	}
	since := b.history(store.HistoryQuery{Device: "00c0de", Since: at.Add(30 * time.Second)})
	if !reflect.DeepEqual(since, newest) {
		t.Errorf("since then\n%s", show(since))
	}
}

func appliesTwice(t *testing.T, b *bench) {
	c, _ := b.fleet.Handle("home/00c0de/status", []byte("ONLINE"), now)
	for range 2 {
		b.must(b.store.Apply(b.Context(), []fleet.Change{c}))
	}
	if events := b.history(store.HistoryQuery{}); len(events) != 1 {
		t.Errorf("%d events, want 1", len(events))
	}
}

func appliesWhole(t *testing.T, b *bench) {
	raw, err := store.Migrate(b.Context(), b.where, store.Schema)
	b.must(err)
	defer raw.Close()
	rename := func(from, to string) {
		_, err := raw.Exec("ALTER TABLE " + from + " RENAME TO " + to)
		b.must(err)
	}
	rename("events", "elsewhere") // so that the second half cannot be stored
	first, _ := b.fleet.Handle("home/00c0de/info", []byte(info("00c0de", "socket", "v1", 1, 1, 1, "power-on")), now)
	first.Events = nil
	second, _ := b.fleet.Handle("home/00beef/status", []byte("ONLINE"), now)
	if err := b.store.Apply(b.Context(), []fleet.Change{first, second}); err == nil {
		t.Error("no error")
	}
	rename("elsewhere", "events")
	if got := b.ids(store.Query{}); got != "" {
		t.Errorf("stored %s, want nothing", got)
	}
	b.must(b.store.Apply(b.Context(), []fleet.Change{first, second}))
	if got := b.ids(store.Query{}); got != "00beef 00c0de" {
		t.Errorf("stored %s, want both", got)
	}
}

func labels(t *testing.T, b *bench) {
	b.says(now, "00c0de/status", "ONLINE")
	b.says(now, "00beef/status", "ONLINE")
	name, group, none := "Kettle ☕", "kitchen", ""
	change := func(c store.LabelChange) { b.Helper(); b.must(b.store.Label(b.Context(), "00c0de", c)) }
	expect := func(want fleet.Labels) {
		b.Helper()
		if got := b.find(store.Query{ID: "00c0de"})[0].Labels; !reflect.DeepEqual(got, want) {
			b.Errorf("labels %+v, want %+v", got, want)
		}
	}
	change(store.LabelChange{Name: &name, Group: &group, Tag: []string{"slow", "canary"}})
	expect(fleet.Labels{Name: name, Group: group, Tags: []string{"canary", "slow"}})
	change(store.LabelChange{Tag: []string{"canary"}, Untag: []string{"slow", "other"}})
	expect(fleet.Labels{Name: name, Group: group, Tags: []string{"canary"}})
	b.says(now, "00c0de/status", "OFFLINE") // what a device says leaves them alone
	change(store.LabelChange{Name: &none})
	expect(fleet.Labels{Group: group, Tags: []string{"canary"}})
	for _, q := range []store.Query{{Group: group}, {Tag: "canary"}, {Group: group, Tag: "canary", ID: "00c0de"}} {
		if got := b.ids(q); got != "00c0de" {
			t.Errorf("%+v finds %q", q, got)
		}
	}

	if err := b.store.Label(b.Context(), "00dead", store.LabelChange{Group: &group}); !errors.Is(err, store.ErrNoDevice) {
		t.Errorf("no such device: %v", err)
	}
	long, control := strings.Repeat("x", 65), "a\x1b[2J"
	many := make([]string, 33)
	for i := range many {
		many[i] = fmt.Sprint("tag", i)
	}
	for _, c := range []store.LabelChange{
		{Name: &long}, {Name: &control}, {Group: &name}, {Tag: []string{""}}, {Tag: []string{"A"}}, {Tag: []string{long}}, {Tag: many},
	} {
		if err := b.store.Label(b.Context(), "00c0de", c); !errors.Is(err, store.ErrLabel) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	expect(fleet.Labels{Group: group, Tags: []string{"canary"}})
}

func forgets(t *testing.T, b *bench) {
	group := "kitchen"
	for _, id := range []string{"00c0de", "00beef"} {
		b.says(now, id+"/status", "ONLINE")
	}
	b.must(b.store.Label(b.Context(), "00c0de", store.LabelChange{Group: &group}))
	for _, id := range []string{"00c0de", "00beef"} {
		b.says(now, id+"/status", "") // somebody emptied the topic
	}
	devices := b.find(store.Query{})
	if len(devices) != 1 || devices[0].ID != "00c0de" || devices[0].Group != group || devices[0].Status != "" {
		t.Errorf("left: %+v, want only the one that has a group", devices)
	}
	if n := len(b.history(store.HistoryQuery{})); n != 2 {
		t.Errorf("%d events, want both", n)
	}
}

func findsConditions(t *testing.T, b *bench) {
	b.must(b.store.SetReleases(b.Context(), []store.Release{
		{Type: "socket", Version: "v1", Sequence: 1, Served: true}, {Type: "sensor", Version: "dev2", Served: true}, {Type: "sensor", Version: "dev1"},
	}))
	b.must(b.store.SetReleases(b.Context(), []store.Release{ // v1 is not kept any more, but is not unknown
		{Type: "socket", Version: "v2", Sequence: 2, Served: true}, {Type: "sensor", Version: "dev2", Served: true},
	}))
	says := func(id, text string) { b.says(now, id+"/info", text); b.says(now, id+"/status", "ONLINE") }
	says("000001", info("000001", "socket", "v2", 2, 3, 100, "power-on")) // all is well
	says("000002", info("000002", "socket", "v1", 1, 3, 100, "power-on"))
	says("000003", info("000003", "socket", "mine", 7, 3, 100, "power-on"))
	says("000004", info("000004", "socket", "v2", 2, 2, 100, "power-on"))
	says("000005", info("000005", "sensor", "dev1", 0, 3, 100, "power-on"))
	b.says(now, "000006/status", "ONLINE") // says no more
	says("00000a", info("00000a", "sensor", "8a1b2c3d+dirty", 0, 3, 100, "power-on"))
	says("00000b", info("00000b", "socket", "v2", 2, 3, 100, "power-on"))
	for _, id := range []string{"00000a", "00000b"} { // nothing is published there
		b.says(now, id+"/update/status", `{"state":"failed","version":"v1","progress":0,"error":"http-status","http_status":404}`)
	}
	says("00000c", info("00000c", "sensor", "8a1b2c3d+dirty", 0, 3, 100, "power-on"))
	b.says(now, "00000c/update/status", `{"state":"failed","version":"v1","progress":0,"error":"http-status","http_status":503}`)
	// What is wrong with a delta is no failure.
	b.says(now, "000005/update/status", `{"state":"downloading","version":"dev2","progress":0,"error":"bad-signature"}`)
	says("000009", strings.Replace(info("000009", "socket", "v2", 2, 3, 100, "restart"), `"trial":true`, `"safe":true`, 1))
	says("000007", info("000007", "socket", "v2", 2, 3, 100, "power-on"))
	says("000008", info("000008", "socket", "v2", 2, 3, 100, "power-on"))
	for i, reset := range []string{"exception", "hardware-watchdog", "software-watchdog"} {
		at := now.Add(time.Duration(i+1) * time.Minute)
		b.says(at, "000007/info", info("000007", "socket", "v2", 2, 3, 5-i, reset))
		b.says(at, "000008/info", info("000008", "socket", "v2", 2, 3, 5-i, "restart"))
	}
	for _, id := range []string{"000002", "000003"} { // one of them runs something newer, and refuses the release rightly
		b.says(now, id+"/update/status", `{"state":"failed","version":"v2","progress":0,"error":"not-newer"}`)
	}
	b.must(b.store.Apply(b.Context(), b.fleet.Silence(now, now.Add(4*time.Minute))))

	soon := now.Add(5 * time.Minute)
	for _, test := range []struct {
		query store.Query
		want  string
	}{
		{store.Query{Condition: store.Vanished}, "000006 000005 00000a 00000c 000001 000002 000003 000004 000009 00000b"},
		{store.Query{Condition: store.Vanished, Type: "sensor"}, "000005 00000a 00000c"},
		{store.Query{Condition: store.CrashLooping, Now: soon}, "000007 000009"},
		{store.Query{Condition: store.CrashLooping, Now: now.Add(2 * fleet.CrashLoopTime)}, "000009"},
		{store.Query{Condition: store.UnknownVersion}, "000003"},
		{store.Query{Condition: store.Ahead}, "000003"},
		{store.Query{Condition: store.FailedUpdate}, "00000c 000002 00000b"},
		{store.Query{Condition: store.OldBootloader}, "000004"},
		{store.Query{Condition: store.OldBootloader, OldBoot: 2}, ""},
	} {
		if got := b.ids(test.query); got != test.want {
			t.Errorf("%+v finds %q, want %q", test.query, got, test.want)
		}
	}
	if _, err := b.store.Find(b.Context(), store.Query{Condition: "sad"}); err == nil {
		t.Error("an unknown condition is no error")
	}
	b.says(soon, "000006/status", "ONLINE")
	back := b.history(store.HistoryQuery{Device: "000006", Kind: fleet.PresenceEvent})
	if n := len(back); n != 3 || back[1].After != fleet.Silent || back[2].Before != fleet.Silent || back[2].After != fleet.Online {
		t.Errorf("who came back: %s", show(back))
	}
}

func prunes(t *testing.T, b *bench) {
	event := func(device string, days int, kind fleet.Kind, after string) fleet.Event {
		return fleet.Event{Device: device, At: now.AddDate(0, 0, -days), Kind: kind, After: after}
	}
	b.must(b.store.Apply(b.Context(), []fleet.Change{{Device: fleet.Device{ID: "00c0de", Status: fleet.Online}, Events: []fleet.Event{
		event("00c0de", 400, fleet.VersionEvent, "old"), event("00c0de", 10, fleet.VersionEvent, "new"),
		event("00c0de", 9, fleet.UpdateEvent, "checking"), event("00c0de", 8, fleet.UpdateEvent, "idle"),
		event("00c0de", 9, fleet.PresenceEvent, "checking"), event("00c0de", 1, fleet.UpdateEvent, "checking"),
		event("00beef", 5, fleet.PresenceEvent, "1"), event("00beef", 4, fleet.PresenceEvent, "2"),
		event("00beef", 3, fleet.PresenceEvent, "3"), event("00beef", 2, fleet.PresenceEvent, "4"),
	}}}))
	keep := store.Keep(now)
	keep.PerDevice = 3
	n, err := b.store.Prune(b.Context(), keep)
	b.must(err)
	var left []string
	for _, e := range b.history(store.HistoryQuery{}) {
		left = append(left, e.After)
	}
	if got := strings.Join(left, " "); n != 4 || got != "new checking 2 3 4 checking" {
		t.Errorf("%d removed, left: %s", n, got)
	}
}

func records(t *testing.T, b *bench) {
	recorder := store.NewRecorder(b.store, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { recorder.Run(ctx); close(done) }()
	const devices = 1500 // more than a batch
	say := func(status string) {
		for i := range devices {
			c, _ := b.fleet.Handle(fmt.Sprintf("home/%06x/status", i), []byte(status), now)
			recorder.Add(c)
		}
	}
	say("ONLINE")
	say("OFFLINE")
	b.must(recorder.Flush(b.Context()))
	if n := len(b.find(store.Query{})); n != devices {
		t.Errorf("%d devices, want %d", n, devices)
	}
	say("ONLINE")
	stop() // the last are stored, too
	<-done
	if n := len(b.history(store.HistoryQuery{})); n != 3*devices {
		t.Errorf("%d events, want %d", n, 3*devices)
	}
	for _, d := range b.find(store.Query{}) {
		if d.Status != fleet.Online {
			t.Fatalf("device %s is %s", d.ID, d.Status)
		}
	}
}

// show is a value as a person can compare it.
func show(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
