package loop

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/network"
	"esper/internal/site"
)

// inBerlin is firmware of a site that knows the time, with code that shows it: a reading, hours and
// minutes or -1, and the relay, which is switched each day at 2:30.
var inBerlin = variant{name: "time", config: func(c *site.Config) {
	zone, err := site.ParseZone("CET-1CEST,M3.5.0,M10.5.0/3")
	if err != nil {
		panic(err)
	}
	c.Time = site.Time{Server: "ntp", Zone: zone}
}, source: clockAndDaily}

const clockAndDaily = `
#include <esper/Time.h>
#include <esper/features/Sensor.h>
static int32_t clock() {
    if (!esper::Time::known()) return -1;
    const esper::LocalTime now = esper::Time::local();
    return now.hour * 100 + now.minute;
}
constexpr const char CLOCK[] = "clock";
static esper::Sensor<CLOCK, clock, 10> reading(&device);
static esper::Daily daily(2, 30, [](void*) { socket.toggle(); });
`

// times are startup and connected of a device's info; 0 if it does not say them.
func (w *world) times(d *emulator.Device) (startup, connected int64) {
	w.t.Helper()
	text, _ := w.broker.Retained(realm + "/" + d.ID() + "/info")
	var info struct{ Startup, Connected int64 }
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		w.t.Fatal(err)
	}
	return info.Startup, info.Connected
}

// timed is a world whose server tells the time, with one device.
func timed(t *testing.T, v variant) (*world, *emulator.Device, *network.Host) {
	t.Helper()
	w := newWorld(t)
	server := w.Net.AddTimeServer("ntp")
	w.publishVariant("socket", "v1", 1, v)
	d := w.addImage(w.firmwares.bootloader, 1, w.firmwares.variant(t, "socket", "v1", 1, v)[0])
	return w, d, server
}

func TestADeviceReportsWhenItStarted(t *testing.T) {
	t.Parallel()
	w, d, server := timed(t, inBerlin)
	epoch := w.Net.Clock().Unix()
	server.Silent = true
	w.settle()
	w.RunFor(2 * time.Minute)
	if s, c := w.times(d); s != 0 || c != 0 || w.state(d, "clock") != "-1" {
		t.Fatalf("it knows the time from nobody: %d, %d, %s", s, c, w.state(d, "clock"))
	}
	server.Silent = false
	known := func() bool { s, _ := w.times(d); return s != 0 }
	w.expect("the time", time.Minute, known)
	near := func(a, b int64) bool { return a-b <= 2 && b-a <= 2 }
	startup, connected := w.times(d)
	if !near(startup, epoch) || !near(connected, epoch+1) {
		t.Errorf("startup %+d, connected %+d from the start", startup-epoch, connected-epoch)
	}
	w.Net.SetDown(w.brokerHost, true)
	w.RunFor(5 * time.Minute)
	w.Net.SetDown(w.brokerHost, false)
	w.expect("its return", 2*time.Minute, func() bool { _, c := w.times(d); return c > connected+290 })
	// Each hour the SDK asks again; a second or two more or less is no other start.
	for _, off := range []time.Duration{0, time.Second, -2 * time.Second, time.Second} {
		w.Net.SetClock(w.Net.Clock().Add(off))
		w.RunFor(63 * time.Minute)
		if s, _ := w.times(d); s != startup {
			t.Errorf("startup is another one by %d s", s-startup)
		}
	}
	w.Net.SetClock(w.Net.Clock().Add(30 * 24 * time.Hour))
	w.RunFor(63 * time.Minute)
	if s, _ := w.times(d); !near(s, startup+30*24*3600) {
		t.Errorf("startup moved by %d s with the clock", s-startup)
	}
	d.PowerCycle()
	w.expect("its start", time.Minute, func() bool { s, c := w.times(d); return near(s, w.Net.Clock().Unix()-1) && c >= s })
}

func TestADeviceShowsTheTimeOfItsZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	for name, start := range map[string]time.Time{
		"spring": time.Date(2027, time.March, 27, 23, 0, 0, 0, berlin), "autumn": time.Date(2027, time.October, 30, 23, 0, 0, 0, berlin),
	} {
		t.Run(name, func(t *testing.T) {
			w, d, _ := timed(t, inBerlin)
			w.Net.SetClock(start)
			w.settle()
			w.expect("the time", time.Minute, func() bool { return w.state(d, "clock") != "-1" })
			var switched []string
			relay := d.Pin(12)
			for range 2 * 24 * 6 {
				w.RunFor(10 * time.Minute)
				now := w.Net.Clock().In(berlin)
				got, err := strconv.Atoi(w.state(d, "clock"))
				must(t, err)
				late := (now.Hour()*60 + now.Minute() - got/100*60 - got%100 + 1440) % 1440
				if late > 1 && late < 1439 {
					t.Fatalf("at %s it shows %d", now, got)
				}
				if d.Pin(12) != relay {
					relay = !relay
					switched = append(switched, now.Format("2 15:"))
				}
			}
			want := map[string]string{"spring": "28 03:,29 02:", "autumn": "31 02:,1 02:"}[name]
			if got := strings.Join(switched, ","); got != want {
				t.Errorf("switched at %s, not %s", got, want)
			}
		})
	}
}

// Without [time], device code can ask and learns that nobody knows.
func TestWithoutATimeServerTheTimeIsNotKnown(t *testing.T) {
	t.Parallel()
	w, d, _ := timed(t, variant{name: "no time", source: clockAndDaily})
	w.settle()
	w.RunFor(time.Minute)
	if s, c := w.times(d); s != 0 || c != 0 || w.state(d, "clock") != "-1" {
		t.Errorf("%d, %d, %s", s, c, w.state(d, "clock"))
	}
}

// A device that sleeps learns the time in its wakes.
func TestASleeperKnowsTheTime(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), variant{name: "sleeps, time", source: every(600, ""), config: inBerlin.config})
	s.Net.AddTimeServer("ntp")
	epoch := s.Net.Clock()
	for range 3 {
		woke := s.Now()
		s.rests(time.Minute)
		if at := int64(s.info().Startup) - epoch.Unix() - int64(woke.Seconds()); at < -2 || at > 2 {
			t.Errorf("it says that it started %d s after its wake", at)
		}
		s.expect("a wake", 11*time.Minute, func() bool { return !s.device.Asleep() })
	}
}
