package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"esper/internal/access"
	"esper/internal/fleet"
	"esper/internal/pipeline"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/server"
	"esper/internal/store"
	"esper/internal/watch"
)

// TestScreenshots writes pictures of the pages into the folder that SCREENSHOTS names; make
// screenshots does. They are to be looked at.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		t.Skip("SCREENSHOTS names no folder")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	w := busyHouse(t)
	b := open(t, w.url())
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1440, 900}, {"tablet", 768, 1024}, {"phone", 360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			b.size(size.width, size.height)
			b.scheme(scheme)
			for name, path := range map[string]string{
				"fleet": "/", "device": "/devices/" + showcase, "failed": "/devices/" + failing, "rollout": "/rollouts/socket", "releases": "/releases", "builds": "/builds", "build": "/builds/3",
			} {
				b.visit(path)
				b.picture(filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", name, size.name, scheme)))
			}
			b.visit("/rollouts/socket")
			b.click("Abort")
			b.picture(filepath.Join(dir, fmt.Sprintf("dialog-%s-%s.png", size.name, scheme)))
		}
	}
	equipped := open(t, room(t).url())
	for name, width := range map[string]int64{"desktop": 1440, "phone": 360} {
		for _, scheme := range []string{"light", "dark"} {
			equipped.size(width, 800)
			equipped.scheme(scheme)
			equipped.visit("/devices/00c001")
			equipped.picture(filepath.Join(dir, fmt.Sprintf("features-%s-%s.png", name, scheme)))
		}
	}
	empty := newWorld(t, nil)
	fresh := open(t, empty.url())
	fresh.visit("/")
	fresh.picture(filepath.Join(dir, "fresh-desktop-light.png"))
	elsewhere := openAlone(t, empty.url())
	elsewhere.from("192.168.1.5")
	for _, scheme := range []string{"light", "dark"} {
		elsewhere.scheme(scheme)
		elsewhere.size(1280, 900)
		elsewhere.visit("/")
		elsewhere.picture(filepath.Join(dir, "opening-desktop-"+scheme+".png"))
		elsewhere.size(360, 740)
		elsewhere.picture(filepath.Join(dir, "opening-phone-"+scheme+".png"))
	}
	empty.token("ada", access.Operator)
	for _, scheme := range []string{"light", "dark"} {
		fresh.scheme(scheme)
		fresh.visit("/")
		fresh.picture(filepath.Join(dir, "signin-desktop-"+scheme+".png"))
		fresh.size(360, 740)
		fresh.picture(filepath.Join(dir, "signin-phone-"+scheme+".png"))
		fresh.size(1280, 900)
	}
}

// picture writes all of the page, as PNG.
func (b *tab) picture(path string) {
	b.t.Helper()
	image, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, image, 0o666)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Of the devices of busyHouse, one that has been updated, and one that has failed to.
const (
	showcase = "00c001"
	failing  = "00c00a"
)

// The versions of busyHouse, the oldest first.
var versions = []string{"5d1e7a90", "8a1b2c3d", "9c0d1e2f"}

// busyHouse is a server with forty devices in the middle of a staged roll-out, with a past of
// some days and all that can go wrong.
func busyHouse(t testing.TB) *world {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	w := &world{t: t}
	dir := t.TempDir()
	w.config = server.Config{
		Realm: "home", RepositoryDir: filepath.Join(dir, "firmware"), Database: filepath.Join(dir, "esper.db"),
		HTTPListen: "127.0.0.1:0", MQTTListen: "127.0.0.1:0", Log: discard,
		Plan: func(string) rollout.Plan {
			plan := rollout.AllAtOnce
			plan.Stages = []rollout.Stage{{Group: "canary", Watch: time.Hour}, {Percent: 25, Watch: 24 * time.Hour, Failures: 2, AtOnce: 5}, {Percent: 100, Watch: 24 * time.Hour, Failures: 5, Approve: true}}
			return plan
		},
	}
	firmware, err := repository.Open(w.config.RepositoryDir)
	if err != nil {
		t.Fatal(err)
	}
	types := []string{"socket", "sensor", "lamp"}
	var known []store.Release
	for _, kind := range types {
		for i, version := range versions {
			if kind != "socket" && i == 2 {
				continue
			}
			if err := firmware.Publish(repositorytest.Release(t, kind, version, uint32(40+i)), repository.Allow{}); err != nil {
				t.Fatal(err)
			}
			known = append(known, store.Release{Type: kind, Version: version, Sequence: uint32(40 + i), Served: true})
		}
	}

	began := now.Add(-26 * time.Hour)
	shot := rollout.Snapshot{}
	for i, kind := range types {
		state := rollout.State{Type: kind, Number: 2, Plan: w.config.Plan(kind), Status: rollout.Complete, Stage: 3,
			General: rollout.Release{Version: versions[1], Sequence: 41}, Release: rollout.Release{Version: versions[1], Sequence: 41}}
		if i == 2 {
			state.Status, state.Stage, state.Failed, state.General.Version = rollout.Stopped, 1, 3, versions[0]
		}
		if i == 0 {
			state.Number, state.Status, state.Stage = 3, rollout.Running, 1
			state.Release = rollout.Release{Version: versions[2], Sequence: 42}
			state.Opened, state.Failed, state.Confirmed, state.Proven = began.Add(2*time.Hour), 1, 5, true
		}
		shot.States = append(shot.States, state)
	}
	note := func(after time.Duration, kind rollout.Kind, stage int, device string, failure rollout.Failure, by string) {
		shot.Events = append(shot.Events, rollout.Event{Kind: kind, At: began.Add(after), Type: "socket", Release: versions[2], Stage: stage, Device: device, Failure: failure, By: by})
	}
	note(0, rollout.RolloutStarted, 0, "", "", "")
	note(time.Second, rollout.StageBegun, 0, "", "", "")
	note(90*time.Minute, rollout.StagePassed, 0, "", "", "")
	note(2*time.Hour, rollout.StageBegun, 1, "", "", "")
	note(3*time.Hour, rollout.RolloutPaused, 1, "", "", "ada")
	note(4*time.Hour, rollout.RolloutResumed, 1, "", "", "ada")

	names := []string{"Kettle", "Washing machine", "Desk lamp", "Fridge", "Heater", "Fan", "Printer", "Coffee", "Router", "Aquarium", "Freezer", "Toaster", "Television", "Amplifier", "Radio on the shelf above the window, next to the spice rack", strings.Repeat("Charger", 9)}
	rooms := []string{"kitchen", "office", "cellar", "living-room"}
	var changes []fleet.Change
	live := map[string]fleet.Device{}
	for n := range 40 {
		id := fmt.Sprintf("00c%03x", n)
		kind := types[min(n/24, 1)+min(n/36, 1)]
		version, slot, before := versions[1], uint8(0), versions[0]
		updated := kind == "socket" && n < 6
		if updated {
			version, slot, before = versions[2], 1, versions[1]
		}
		rssi := -48 - (n*7)%41
		d := fleet.Device{ID: id, Status: fleet.Online, Seen: now.Add(-time.Minute), Info: new(fleet.Info), Update: &fleet.UpdateStatus{State: "confirmed", Version: version, Progress: 100}}
		payload := info(id, kind, version, rssi)
		if err := json.Unmarshal([]byte(payload), d.Info); err != nil {
			t.Fatal(err)
		}
		d.Info.Version.Sequence, d.Info.Boot.ROM, d.Info.Boot.Default = sequenceOf(version), slot, slot
		content := &fleet.Slot{Version: version, Sequence: sequenceOf(version)}
		old := &fleet.Slot{Version: before, Sequence: sequenceOf(before)}
		d.Info.Boot.Slots = []*fleet.Slot{content, old}
		if slot == 1 {
			d.Info.Boot.Slots = []*fleet.Slot{old, content}
		}
		d.Info.Network.IP, d.Info.Network.MAC = fmt.Sprintf("192.168.1.%d", 20+n), fmt.Sprintf("5c:cf:7f:00:c0:%02x", n)
		d.Info.Uptime, d.Info.Heap = uint64(86400+n*977), uint32(30000+n*13)
		var events []fleet.Event
		event := func(at time.Time, kind fleet.Kind, before, after, version, failure string) {
			events = append(events, fleet.Event{Device: id, At: at.UTC().Truncate(time.Microsecond), Kind: kind, Before: before, After: after, Version: version, Error: failure})
		}
		update := func(at time.Time, from, to string, took time.Duration, end, failure string) {
			for i, state := range []string{"downloading", "verifying", "trial"} {
				event(at.Add(took*time.Duration(i)/4), fleet.UpdateEvent, "", state, to, "")
				if received := []uint32{0, 1187}; i < len(received) {
					events[len(events)-1].Received = &received[i]
				}
			}
			if end == "confirmed" {
				event(at.Add(took-time.Second), fleet.VersionEvent, from, to, "", "")
			}
			event(at.Add(took), fleet.UpdateEvent, "trial", end, to, failure)
		}
		first := now.Add(-9 * 24 * time.Hour)
		event(first, fleet.PresenceEvent, "", fleet.Online, "", "")
		event(first, fleet.VersionEvent, "", versions[0], "", "")
		update(first.Add(3*24*time.Hour+time.Duration(n)*7*time.Minute), versions[0], versions[1], 21*time.Second, "confirmed", "")
		event(now.Add(-49*time.Hour), fleet.PresenceEvent, fleet.Online, fleet.Offline, "", "")
		event(now.Add(-48*time.Hour-48*time.Minute), fleet.PresenceEvent, fleet.Offline, fleet.Online, "", "")
		event(now.Add(-48*time.Hour-47*time.Minute), fleet.RestartEvent, "", "power-on", "", "")
		turn := 2*time.Hour + time.Duration(n)*47*time.Minute
		if n < 3 {
			turn = time.Duration(5+n*9) * time.Minute
		}
		offered := rollout.Try{Release: versions[2], Number: 3, Times: 1, Since: began.Add(turn)}
		target := version
		status := d.Update
		switch {
		case updated:
			update(began.Add(turn), versions[1], versions[2], time.Duration(18+n)*time.Second, "confirmed", "")
			note(turn, rollout.DeviceOffered, min(n/3, 1), id, "", "")
			offered.State = rollout.TryConfirmed
		case id == failing:
			update(began.Add(turn), versions[1], versions[2], 74*time.Second, "rolled-back", "not-confirmed")
			note(turn, rollout.DeviceOffered, 1, id, "", "")
			note(turn+74*time.Second, rollout.DeviceFailed, 1, id, rollout.RolledBack, "")
			offered.State, offered.Failure = rollout.TryFailed, rollout.RolledBack
			status = &fleet.UpdateStatus{State: "rolled-back", Version: versions[2], Progress: 100, Error: "not-confirmed"}
		case n == 11 || n == 12:
			status = &fleet.UpdateStatus{State: "downloading", Version: versions[2], Progress: 20 + (n-11)*47}
			offered.State, offered.Since = rollout.TryTaken, now.Add(-20*time.Second)
			note(now.Add(-20*time.Second).Sub(began), rollout.DeviceOffered, 1, id, "", "")
		case n == 13:
			status = &fleet.UpdateStatus{State: "trial", Version: versions[2], Progress: 100}
			offered.State, offered.Since = rollout.TryTaken, now.Add(-50*time.Second)
			note(now.Add(-50*time.Second).Sub(began), rollout.DeviceOffered, 1, id, "", "")
		case n == 27:
			for i := range 4 {
				event(now.Add(-time.Duration(13-i*3)*time.Minute), fleet.RestartEvent, "", "exception", "", "")
			}
			d.Info.Boot.Reset = "exception"
			offered = rollout.Try{}
		default:
			offered = rollout.Try{}
		}
		d.Update = status
		switch n {
		case 17, 33:
			d.Status, d.Seen = fleet.Offline, now.Add(-time.Duration(n)*time.Hour)
			event(d.Seen, fleet.PresenceEvent, fleet.Online, fleet.Offline, "", "")
		case 30:
			d.Silent, d.Seen = true, now.Add(-3*time.Hour)
			event(d.Seen.Add(4*time.Minute), fleet.PresenceEvent, fleet.Online, fleet.Silent, "", "")
		case 35: // somebody works on it
			d.Info.Version.ESPer, d.Info.Version.Sequence = versions[2]+"+dirty", 0
			d.Update = &fleet.UpdateStatus{State: "failed", Version: versions[2] + "+dirty", Error: "http-status", HTTPStatus: 404}
			live[id] = d
		case 38: // it has slept through the last release
			d.Info.Version.ESPer, d.Info.Version.Sequence = versions[0], sequenceOf(versions[0])
			target = versions[1]
		default:
			live[id] = d
		}
		device := rollout.Device{ID: id, Type: kind, Online: d.Status == fleet.Online, Running: d.Info.Version.ESPer, Sequence: d.Info.Version.Sequence, Asked: d.Seen, Last: offered, Group: rooms[n%4]}
		if n < 3 {
			device.Group = "canary"
		}
		shot.Devices = append(shot.Devices, device)
		since := now.Add(-5 * 24 * time.Hour)
		if updated {
			since = began.Add(turn)
		}
		shot.Targets = append(shot.Targets, rollout.Target{Device: id, Release: target, Since: since})
		changes = append(changes, fleet.Change{Device: d, Events: events})
	}
	kept, err := store.Open(ctx, w.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{kept.SetReleases(ctx, known), kept.Apply(ctx, changes), kept.SaveRollouts(ctx, shot)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 40 {
		id := fmt.Sprintf("00c%03x", n)
		change := store.LabelChange{Group: &shot.Devices[n].Group}
		if n < len(names) {
			change.Name = &names[n]
		}
		if n%5 == 0 {
			change.Tag = []string{"upstairs"}
		}
		if err := kept.Label(ctx, id, change); err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := server.Open(w.config)
	if err != nil {
		t.Fatal(err)
	}
	buildsOf(t, s)
	w.run(s)
	for id, d := range live {
		text, err := json.Marshal(d.Info)
		if err != nil {
			t.Fatal(err)
		}
		w.says(id, "status", d.Status)
		w.says(id, "info", string(text))
		status, _ := json.Marshal(d.Update)
		w.says(id, "update/status", string(status))
		w.says(id, "relay", fmt.Sprint(len(id)%2))
		w.says(id, "motion", "0")
		w.says(id, "power", "42.5")
	}
	w.until("all are heard of", func() bool {
		n, err := w.server.Store().Count(ctx, store.Query{Presence: fleet.Online})
		return err == nil && n >= len(live)
	})
	return w
}

func sequenceOf(version string) uint32 {
	for i, v := range versions {
		if v == version {
			return uint32(40 + i)
		}
	}
	return 0
}

// buildsOf makes the server a build server with three builds, of which the last one runs until
// the end of the test.
func buildsOf(t testing.TB, s *server.Server) {
	t.Helper()
	site := t.TempDir()
	git := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = site
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("git %v: %v: %s", args, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(site, "esper.toml"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	git("init", "--quiet", "--initial-branch=main")
	git("add", ".")
	subjects := []string{"Switch the relay at the zero crossing", "Measure the power each second", "Blink while there is no WiFi"}
	builds := 0
	var w *watch.Watcher
	var err error
	commit := func() {
		git("commit", "--quiet", "--allow-empty", "-m", subjects[builds])
		builds++
	}
	next := func() {
		commit()
		w.Look()
	}
	commit()
	w, err = watch.Open(t.Context(), watch.Config{
		Data: t.TempDir(), Source: site, Every: true, Interval: time.Hour, Log: discard,
		Make: func(ctx context.Context, m watch.Making) ([]pipeline.Outcome, error) {
			fmt.Fprintf(m.Log, "build %s\n", m.Version.Name)
			switch builds {
			case 1:
				next()
				return []pipeline.Outcome{{Type: "socket", Version: m.Version.Name, Sequence: 41}, {Type: "sensor", Version: m.Version.Name, Sequence: 41}}, nil
			case 2:
				next()
				fmt.Fprintln(m.Log, "socket/power.cpp:12:9: error: 'sample' was not declared in this scope")
				return nil, errors.New("socket: the compiler found errors; see the log")
			}
			for n := 1; ; n++ {
				fmt.Fprintf(m.Log, "compile file %d of socket\n", n)
				select {
				case <-time.After(300 * time.Millisecond):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Builds(w, nil, nil)
}
