package fleet

import (
	"strings"
	"testing"
	"time"
)

// sleepy returns the info of a device that wakes at least every so many seconds, as it says in a wake.
func sleepy(seconds string) string {
	return strings.Replace(infoOf(2, "deep-sleep"), `"heap"`, `"sleep":`+seconds+`,"heap"`, 1)
}

// wake lets the device wake at a time and sleep again 2 seconds later, and returns the events.
func wake(f *Fleet, at time.Time, info string) string {
	return told(f, at, "info", info) + told(f, at.Add(time.Second), "status", Online) + told(f, at.Add(2*time.Second), "status", Sleeping)
}

func TestToWakeAndSleepAgainIsNoEvent(t *testing.T) {
	f := newFleet()
	if got := wake(f, now, sleepy("600")); got != "type >socket, version >8a1b2c3d, slot >0"+"presence >ONLINE" &&
		got != "presence >ONLINE, type >socket, version >8a1b2c3d, slot >0" {
		t.Errorf("the first wake: %s", got)
	}
	for n := range 3 {
		if got := wake(f, now.Add(time.Duration(n+1)*600*time.Second), sleepy("600")); got != "" {
			t.Errorf("wake %d: %s", n+2, got)
		}
	}
	d := only(t, f)
	if slept := now.Add(3*600*time.Second + 2*time.Second); d.Presence() != Sleeping || !d.Seen.Equal(slept) || !d.WakesBy().Equal(slept.Add(600*time.Second)) {
		t.Errorf("it is %s, seen %v, wakes by %v", d.Presence(), d.Seen, d.WakesBy())
	}
	if got := told(f, now, "info", infoOf(1, "exception")); got != "restart >exception" {
		t.Errorf("a crash in a wake: %s", got)
	}
}

func TestASleepingDeviceIsSilentAfterTwiceItsRhythmAndAMinute(t *testing.T) {
	f := newFleet()
	wake(f, now, sleepy("600"))
	slept := now.Add(2 * time.Second)
	limit := slept.Add(2*600*time.Second + time.Minute)
	if changes := f.Silence(now, limit); len(changes) != 0 {
		t.Errorf("too early: %+v", changes)
	}
	if changes := f.Silence(now.Add(time.Hour), limit.Add(time.Second)); len(changes) != 0 { // nobody listened
		t.Errorf("unheard: %+v", changes)
	}
	changes := f.Silence(now, limit.Add(time.Second))
	if len(changes) != 1 || summary(changes[0].Events) != "presence SLEEPING>SILENT" || changes[0].Device.Presence() != Silent {
		t.Fatalf("changes %+v", changes)
	}
	back := limit.Add(time.Hour)
	if got := wake(f, back, sleepy("600")); got != "presence SILENT>SLEEPING" {
		t.Errorf("back: %s", got)
	}
	// A device that died while awake is lost by the broker, which says so.
	told(f, back, "status", Offline)
	if changes := f.Silence(now, back.Add(24*time.Hour)); len(changes) != 0 {
		t.Errorf("offline is not silent: %+v", changes)
	}
}

func TestADeviceThatSleepsMayBeUnheardWhenItSaysSo(t *testing.T) {
	f := newFleet()
	told(f, now, "info", sleepy("600"))
	told(f, now, "status", Online) // SLEEPING is lost
	if changes := f.Silence(now, now.Add(1260*time.Second)); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	if changes := f.Silence(now, now.Add(1261*time.Second)); len(changes) != 1 {
		t.Error("it is never silent")
	}
}

func TestADeviceThatSleepsWithoutARhythmIsNeverSilent(t *testing.T) {
	f := newFleet()
	told(f, now, "status", Sleeping)
	if changes := f.Silence(now, now.Add(10000*time.Hour)); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	if d := only(t, f); d.Presence() != Sleeping || !d.WakesBy().IsZero() {
		t.Errorf("it is %s, wakes by %v", d.Presence(), d.WakesBy())
	}
}

func TestWhatADeviceSaysOfSleepAndTimeHasLimits(t *testing.T) {
	const rest = `,"heap"`
	say := func(members string) string { return strings.Replace(specInfo, `"heap"`, members+rest, 1) }
	whole, problems, err := ParseInfo("00c0de", []byte(say(`"sleep":4000000,"startup":1767323045,"connected":1767323047`)))
	if err != nil || len(problems) != 0 || whole.Sleep != 4_000_000 || whole.Startup != 1767323045 || whole.Connected != 1767323047 {
		t.Errorf("%+v, %v, %v", whole, problems, err)
	}
	for members, problem := range map[string]string{
		`"sleep":0`:                  "sleep: 0 is not a number of seconds from 1 to 4000000",
		`"sleep":4000001`:            "sleep: 4000001 is not a number of seconds from 1 to 4000000",
		`"sleep":-5`:                 "sleep: -5 is not a number of seconds from 1 to 4000000",
		`"sleep":"600"`:              `sleep: "600" is not a number of seconds from 1 to 4000000`,
		`"startup":0`:                "startup: 0 is not a time in seconds since 1970",
		`"connected":17179869184`:    "connected: 17179869184 is not a time in seconds since 1970",
		`"connected":"2026-01-02"`:   `connected: "2026-01-02" is not a time in seconds since 1970`,
		`"startup":1767323045.5`:     "startup: 1767323045.5 is not a time in seconds since 1970",
		`"startup":1e300,"sleep":60`: "startup: 1e300 is not a time in seconds since 1970",
	} {
		i, problems, err := ParseInfo("00c0de", []byte(say(members)))
		if err != nil || len(problems) != 1 || problems[0] != problem || i.Startup != 0 || i.Connected != 0 || i.Device != "socket" {
			t.Errorf("%s: %q, %v", members, problems, err)
		}
	}
}
