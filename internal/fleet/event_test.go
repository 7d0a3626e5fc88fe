package fleet

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// told are the events of messages, as "kind before>after".
func told(f *Fleet, at time.Time, topic, payload string) string {
	c, _ := f.Handle("home/00c0de/"+topic, []byte(payload), at)
	return summary(c.Events)
}

func summary(events []Event) string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s %s>%s", e.Kind, e.Before, e.After))
	}
	return strings.Join(all, ", ")
}

// infoOf is the specification's info with another uptime and reset reason.
func infoOf(uptime int, reset string) string {
	return strings.NewReplacer(`"uptime":12`, fmt.Sprintf(`"uptime":%d`, uptime), "power-on", reset).Replace(specInfo)
}

func TestEventsAreWhatChanged(t *testing.T) {
	f := newFleet()
	for _, step := range []struct{ topic, payload, want string }{
		{"status", Online, "presence >ONLINE"},
		{"info", specInfo, "type >socket, version >8a1b2c3d, slot >0"},
		{"info", specInfo, ""},
		{"update/status", specUpdate, "update >downloading"},
		{"update/status", strings.Replace(specUpdate, "40", "50", 1), ""},
		{"update/status", strings.Replace(specUpdate, `"error":""`, `"error":"flash"`, 1), "update downloading>downloading"},
		{"settings", specSettings, "settings >confirmed"},
		{"settings", specSettings, ""},
		{"settings", strings.Replace(specSettings, `"candidate":0`, `"candidate":8`, 1), "settings confirmed>confirmed"},
		{"info", strings.Replace(specInfo, `"esper":"8a1b2c3d"`, `"esper":"9c0d1e2f"`, 1), "version 8a1b2c3d>9c0d1e2f"},
		{"info", "{", ""},
		{"info", "", ""}, // no longer known: nothing happened
		{"status", Offline, "presence ONLINE>OFFLINE"},
	} {
		if got := told(f, now, step.topic, step.payload); got != step.want {
			t.Errorf("%s %s: %q, want %q", step.topic, step.payload, got, step.want)
		}
	}
}

func TestWhatAnEventOfSettingsIsAbout(t *testing.T) {
	f := newFleet()
	for payload, want := range map[string]string{
		specSettings: "7 ",
		`{"state":"trial","sequence":7,"own":3,"candidate":9}`:                               "9 ",
		`{"state":"rolled-back","sequence":7,"own":3,"candidate":9,"error":"not-confirmed"}`: "9 not-confirmed",
	} {
		c, _ := f.Handle("home/00c0de/settings", []byte(payload), now)
		e := c.Events[len(c.Events)-1]
		if got := e.Version + " " + e.Error; e.Kind != SettingsEvent || got != want {
			t.Errorf("%s: %+v", payload, e)
		}
	}
}

// What the broker retained of a device that is alive was removed: it says Online only when it
// connects, which may be in weeks.
func TestADeviceThatSpeaksIsThere(t *testing.T) {
	f := newFleet()
	told(f, time.Time{}, "info", specInfo) // retained: nobody knows
	if d := only(t, f); d.Presence() != "" {
		t.Errorf("it is %s", d.Presence())
	}
	if got := told(f, now, "update/status", specUpdate); got != "presence >ONLINE, update >downloading" {
		t.Error(got)
	}
	told(f, now, "status", Offline)
	if got := told(f, now, "info", infoOf(13, "power-on")); got != "" {
		t.Errorf("a late message of one that is gone: %s", got)
	}
	told(f, now, "status", "")
	told(f, now, "info", "")
	if d := only(t, f); d.Presence() != "" {
		t.Errorf("to remove what it said is no word of it, but it is %s", d.Presence())
	}
}

func TestARestartIsSeenInTheUptime(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after int // uptime
		later         time.Duration
		connects      bool
		reset         string
		want          string
	}{
		{"it goes on", 100, 160, time.Minute, false, "power-on", ""},
		{"it goes on after a new connection", 100, 160, time.Minute, true, "power-on", ""},
		{"a late message", 100, 160, 80 * time.Second, false, "power-on", ""},
		{"it began anew", 100, 10, time.Minute, true, "exception", "restart >exception"},
		{"with the same uptime", 4, 4, 15 * time.Second, true, "exception", "restart >exception"},
		{"long ago", 100, 200, time.Hour, false, "restart", "restart >restart"},
		{"it slept", 5, 4, time.Hour, true, "deep-sleep", ""},
	} {
		for _, first := range []string{"info", "status"} { // older firmware says ONLINE first
			f := newFleet()
			told(f, now, "info", infoOf(test.before, "power-on"))
			told(f, now, "status", Online)
			told(f, now.Add(time.Second), "info", infoOf(test.before+1, "power-on"))
			later := now.Add(test.later)
			if test.connects {
				told(f, later, "status", Offline)
			}
			if test.connects && first == "status" {
				told(f, later, "status", Online)
			}
			if got := told(f, later, "info", infoOf(test.after, test.reset)); got != test.want {
				t.Errorf("%s, %s first: %q, want %q", test.name, first, got, test.want)
			}
			if test.connects && first == "info" {
				told(f, later, "status", Online)
				if got := told(f, later.Add(80*time.Second), "info", infoOf(test.after+60, test.reset)); got != "" {
					t.Errorf("%s: a late message afterwards: %q", test.name, got)
				}
			}
		}
	}
}

// What restarts a device leaves no time for uptimes to look like anything.
func TestACrashLoopIsSeenWhateverTheUptimes(t *testing.T) {
	boot := func(f *Fleet, at time.Time, uptime int, onlineLast bool) {
		told(f, at.Add(-10*time.Second), "status", Offline)
		if !onlineLast {
			told(f, at, "status", Online)
		}
		told(f, at, "info", infoOf(uptime, "exception"))
		if onlineLast {
			told(f, at.Add(time.Second), "status", Online)
		}
	}
	for _, onlineLast := range []bool{true, false} {
		for _, uptimes := range [][]int{{3, 3, 3, 3, 3}, {3, 4, 5, 6, 7}, {7, 6, 5, 4, 3}, {3, 50, 2, 60, 2}} {
			f := newFleet()
			told(f, now, "info", infoOf(1000, "power-on"))
			at := now
			for i, uptime := range uptimes {
				at = at.Add(100 * time.Second)
				boot(f, at, uptime, onlineLast)
				if got := only(t, f).CrashLooping(at); got != (i >= CrashLoop-1) {
					t.Errorf("%v, ONLINE last %v: after crash %d it loops: %v", uptimes, onlineLast, i+1, got)
				}
			}
			if only(t, f).CrashLooping(at.Add(CrashLoopTime)) {
				t.Error("it loops for ever")
			}
			if told(f, at.Add(time.Minute), "info", infoOf(uptimes[4]+64, "exception")); len(only(t, f).crashes) != CrashLoop {
				t.Errorf("a late info counts as a crash")
			}
		}
	}
}

// It has another version, and what the one before did is not that one's fault.
func TestAnotherVersionBeginsWithoutCrashes(t *testing.T) {
	f := newFleet()
	told(f, now, "info", infoOf(1000, "power-on"))
	for i := range CrashLoop {
		told(f, now.Add(time.Duration(i)*time.Second), "info", infoOf(9-i, "exception"))
	}
	at := now.Add(time.Minute)
	if !only(t, f).CrashLooping(at) {
		t.Fatal("it does not loop")
	}
	told(f, at, "info", strings.ReplaceAll(infoOf(1, "restart"), "8a1b2c3d", "9c0d1e2f"))
	if d := only(t, f); d.Version() != "9c0d1e2f" || d.CrashLooping(at) {
		t.Errorf("%s loops until %v", d.Version(), d.LoopsUntil)
	}
}

func TestLabelsLiveWithTheDevice(t *testing.T) {
	f := newFleet()
	var changes []Change
	f.Follow(func(c Change) { changes = append(changes, c) })
	labels := Labels{Name: "Kettle", Group: "kitchen", Tags: []string{"canary"}}
	f.Label("00c0de", labels) // nobody knows it
	told(f, now, "status", Online)
	f.Label("00c0de", labels)
	told(f, now, "status", "") // it is forgotten, but not what people call it
	if n := len(f.Devices()); n != 0 {
		t.Errorf("%d devices", n)
	}
	told(f, now, "status", Online)
	if d := only(t, f); !reflect.DeepEqual(d.Labels, labels) {
		t.Errorf("%+v", d.Labels)
	}
	if len(changes) != 4 || !reflect.DeepEqual(changes[1].Device.Labels, labels) || !changes[2].Device.Forgotten() {
		t.Errorf("%+v", changes)
	}
	undo := f.Remove("00c0de")
	if len(f.Devices()) != 0 {
		t.Error("it is not removed")
	}
	undo()
	if d := only(t, f); d.Name != "Kettle" {
		t.Errorf("%+v", d)
	}
}

func TestADeviceThatSaysNothingIsSilentUntilItComesBack(t *testing.T) {
	f := newFleet()
	told(f, now, "status", Online)
	late := now.Add(SilentAfter + time.Second)
	if changes := f.Silence(now.Add(time.Minute), late); len(changes) != 0 { // nobody listened at first
		t.Errorf("too early: %+v", changes)
	}
	changes := f.Silence(now, late)
	if len(changes) != 1 || summary(changes[0].Events) != "presence ONLINE>SILENT" {
		t.Errorf("changes %+v", changes)
	}
	if changes := f.Silence(now, late); len(changes) != 0 {
		t.Errorf("again: %+v", changes)
	}
	if got := told(f, late, "update/status", specUpdate); got != "presence SILENT>ONLINE, update >downloading" {
		t.Errorf("back: %s", got)
	}
	told(f, late, "status", Offline)
	if changes := f.Silence(now, late.Add(time.Hour)); len(changes) != 0 {
		t.Errorf("offline is not silent: %+v", changes)
	}
}

func TestEventsOfADeviceHaveDifferentTimes(t *testing.T) {
	f := newFleet()
	last := time.Time{}
	for i := range 50 {
		c, _ := f.Handle("home/00c0de/status", []byte([]string{Online, Offline}[i%2]), now)
		if at := c.Events[0].At; !at.After(last) || at.Sub(now) > time.Millisecond {
			t.Fatalf("event %d at %v, the one before at %v", i, at, last)
		}
		last = c.Events[0].At
	}
}

func TestADeviceCannotFloodTheHistory(t *testing.T) {
	f := newFleet()
	count := func(at time.Time) (n int) {
		for i := range 3 * maxBurst {
			c, _ := f.Handle("home/00c0de/status", []byte([]string{Online, Offline}[i%2]), at)
			n += len(c.Events)
		}
		return n
	}
	for minute := range 3 {
		if n := count(now.Truncate(time.Minute).Add(time.Duration(minute) * time.Minute)); n != maxBurst {
			t.Errorf("%d events in a minute, want %d", n, maxBurst)
		}
	}
	if d := only(t, f); d.Status != Offline {
		t.Errorf("the state is %s, not the last", d.Status)
	}
}

func TestUpdatesAreToldFromEvents(t *testing.T) {
	var events []Event
	note := func(device string, kind Kind, after, version, failure string) {
		events = append(events, Event{Device: device, At: now.Add(time.Duration(len(events)) * time.Second), Kind: kind, After: after, Version: version, Error: failure})
	}
	note("a", VersionEvent, "v1", "", "")
	for _, state := range []string{"idle", "checking", "downloading", "verifying"} {
		note("a", UpdateEvent, state, map[bool]string{true: "v1", false: "v2"}[state == "idle" || state == "checking"], "")
	}
	note("b", UpdateEvent, "downloading", "v2", "") // another device in between; the beginning of a is not known to it
	note("a", UpdateEvent, "checking", "v1", "")    // it lost its power and begins again
	note("a", UpdateEvent, "downloading", "v2", "")
	note("a", UpdateEvent, "trial", "v2", "")
	note("a", VersionEvent, "v2", "", "")
	note("a", UpdateEvent, "confirmed", "v2", "")
	note("a", UpdateEvent, "checking", "v2", "")
	note("a", UpdateEvent, "confirmed", "v2", "") // no update
	note("a", UpdateEvent, "downloading", "v3", "")
	note("a", UpdateEvent, "rolled-back", "v3", "crashed")
	note("a", UpdateEvent, "rolled-back", "v3", "crashed") // told again at the next check
	note("a", UpdateEvent, "failed", "v4", "unreachable")
	got := ""
	for _, u := range Updates(events) {
		got += fmt.Sprintf("%s %s>%s %s %s %v; ", u.Device, u.From, u.Version, u.State, u.Error, u.Took())
	}
	want := "a v1>v2 confirmed  7s; b >v2 downloading  0s; a v2>v3 rolled-back crashed 1s; a v2>v4 failed unreachable 0s; "
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What an update cost, from what the device said of each of its states: "OFFLINE", or state, error
// and bytes.
func TestTheCostOfAnUpdateIsToldFromEvents(t *testing.T) {
	for _, test := range []struct {
		name, events, want string
	}{
		{"by a delta", "downloading 0, verifying 1234, OFFLINE, trial, confirmed", "confirmed: 1234 bytes, 2 s"},
		{"by firmware from before", "downloading, verifying, OFFLINE, trial, confirmed", "confirmed: unknown bytes, 2 s"},
		{"nobody heard it go", "downloading 0, verifying 1234, trial, confirmed", "confirmed: 1234 bytes, 2 s"},
		{"on its way", "downloading 0", "downloading: unknown bytes, 0 s"},
		{"not restarted yet", "downloading 0, verifying 1234", "verifying: 1234 bytes, 0 s"},
		{"the delta is damaged", "downloading 0, downloading malformed-delta 1000, verifying 267000, OFFLINE, trial, confirmed",
			"confirmed without a delta (malformed-delta): 267000 bytes, 3 s"},
		{"what it made is not right", "downloading 0, verifying 1000, downloading bad-signature 1000, verifying 267000, OFFLINE, trial, confirmed",
			"confirmed without a delta (bad-signature): 267000 bytes, 4 s"},
		{"without a delta, and on its way", "downloading 0, downloading wrong-source 20", "downloading without a delta (wrong-source): unknown bytes, 0 s"},
		{"it fails", "downloading 0, failed unreachable", "failed (unreachable): unknown bytes, 0 s"},
		{"it is refused", "downloading 0, verifying 267000, failed bad-signature", "failed (bad-signature): 267000 bytes, 0 s"},
		{"it does not begin", "failed unreachable", "failed (unreachable): unknown bytes, 0 s"},
		{"it is rolled back", "downloading 0, verifying 1234, OFFLINE, rolled-back crashed", "rolled-back (crashed): 1234 bytes, 2 s"},
		// What came before the cut is lost.
		{"cut off in the download", "downloading 0, OFFLINE, checking, downloading 0, verifying 1234, OFFLINE, trial, confirmed", "confirmed: unknown bytes, 5 s"},
		{"cut off in the verification", "downloading 0, verifying 1234, OFFLINE, checking, downloading 0, verifying 1300, OFFLINE, trial, confirmed",
			"confirmed: 2534 bytes, 6 s"},
		{"cut off in the trial", "downloading 0, verifying 1234, OFFLINE, trial, OFFLINE, checking, verifying 0, OFFLINE, trial, confirmed",
			"confirmed: 1234 bytes, 7 s"},
		{"most that it can say", "downloading 0, verifying 4294967295, downloading 0, verifying 4294967295, trial", "trial: 8589934590 bytes, 4 s"},
		{"heard of later", "~downloading 0, verifying 1234, OFFLINE, trial, confirmed", "confirmed: 1234 bytes, 0 s"},
		{"its restart heard of later", "downloading 0, verifying 1234, ~trial, confirmed", "confirmed: 1234 bytes, 0 s"},
		{"offline before", "OFFLINE, downloading 0, OFFLINE, verifying 1234, trial", "trial: 1234 bytes, 3 s"},
	} {
		var events []Event
		for i, step := range strings.Split(test.events, ", ") {
			step, late := strings.CutPrefix(step, "~")
			e := Event{Device: "a", At: now.Add(time.Duration(i) * time.Second), Late: late, Kind: UpdateEvent, Version: "v2"}
			for _, word := range strings.Fields(step) {
				n, err := strconv.ParseUint(word, 10, 32)
				received := uint32(n)
				switch {
				case err == nil:
					e.Received = &received
				case word == Offline:
					e.Kind, e.After = PresenceEvent, word
				case e.After == "":
					e.After = word
				default:
					e.Error = word
				}
			}
			if e.After == "checking" {
				e.Version = "v1"
			}
			events = append(events, e)
		}
		updates := Updates(events)
		if len(updates) != 1 {
			t.Errorf("%s: %+v", test.name, updates)
			continue
		}
		u := updates[0]
		got := u.State
		if u.WithoutDelta != "" {
			got += " without a delta (" + u.WithoutDelta + ")"
		}
		if u.Error != "" {
			got += " (" + u.Error + ")"
		}
		bytes := "unknown"
		if u.Received != nil {
			bytes = fmt.Sprint(*u.Received)
		}
		if got += fmt.Sprintf(": %s bytes, %v s", bytes, u.Seconds); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestEventsOfAnUpdateSayWhatCame(t *testing.T) {
	f := newFleet()
	for _, step := range []struct{ state, want string }{
		{`"downloading","received":0`, `[0]`}, {`"downloading","progress":40,"received":700`, `[]`}, // progress is no event
		{`"verifying","received":1234`, `[1234]`}, {`"trial"`, `[-]`},
	} {
		c, _ := f.Handle("home/00c0de/update/status", []byte(`{"version":"v2","state":`+step.state+`}`), now)
		got := []string{}
		for _, e := range c.Events {
			if e.Kind == UpdateEvent && e.Received == nil {
				got = append(got, "-")
			} else if e.Kind == UpdateEvent {
				got = append(got, fmt.Sprint(*e.Received))
			}
		}
		if fmt.Sprint(got) != step.want {
			t.Errorf("%s: %v, want %v", step.state, got, step.want)
		}
	}
}
