package loop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/settings"
	"esper/internal/site"
)

// every is a device type's code that makes it one that sleeps.
func every(seconds int, more string) string {
	return fmt.Sprintf("#include <esper/Sleep.h>\nstatic esper::Sleep rest(&device, %d);\n%s", seconds, more)
}

// sleepy is firmware that wakes every ten minutes.
var sleepy = variant{name: "sleeps", source: every(600, "")}

// sleeper is a world with one device that sleeps, a sensor.
type sleeper struct {
	*world
	device *emulator.Device
	resets []esp8266.ResetReason
}

func newSleeper(t testing.TB, f *firmwares, v variant) *sleeper {
	t.Helper()
	s := &sleeper{world: newWorldOf(t, f)}
	s.publishVariant("sensor", "v1", 1, v)
	s.device = s.addImage(f.bootloader, 0x51EE9, f.variant(t, "sensor", "v1", 1, v)[0])
	s.device.OnReset = func(r esp8266.ResetReason) { s.resets = append(s.resets, r) }
	return s
}

// topic is a topic of the device.
func (s *sleeper) topic(name string) string { return realm + "/" + s.device.ID() + "/" + name }

// at returns when the device published what.
func (s *sleeper) at(name, payload string) (all []time.Duration) {
	for _, m := range s.broker.Messages() {
		if m.Topic == s.topic(name) && m.Payload == payload {
			all = append(all, m.At)
		}
	}
	return all
}

// status is what the broker retains as the device's status.
func (s *sleeper) status() string {
	status, _ := s.broker.Retained(s.topic("status"))
	return status
}

// rests waits until the device sleeps.
func (s *sleeper) rests(max time.Duration) {
	s.t.Helper()
	s.expect("its sleep", max, s.device.Asleep)
}

// wakes waits until the device has woken and sleeps again.
func (s *sleeper) wakes(max time.Duration) {
	s.t.Helper()
	s.expect("its end of sleep", max, func() bool { return !s.device.Asleep() })
	s.rests(max)
}

// runs says whether the device has reported to run a version, not on trial.
func (s *sleeper) runs(version string) bool {
	info := s.info()
	return info.Version.ESPer == version && !info.Boot.Trial
}

// info is what the device has reported last.
func (s *sleeper) info() (info struct {
	Sleep   int
	Version struct{ ESPer string }
	Boot    struct {
		Reset       string
		Trial, Safe bool
	}
	Startup, Connected uint32
	Uptime             int
}) {
	s.t.Helper()
	text, _ := s.broker.Retained(s.topic("info"))
	if text != "" {
		if err := json.Unmarshal([]byte(text), &info); err != nil {
			s.t.Fatal(err)
		}
	}
	return info
}

// wait publishes whether a release waits for the device, as a server does.
func (s *sleeper) wait(waits bool) {
	s.broker.Publish(s.topic("update/waiting"), map[bool]string{true: "1"}[waits], true)
}

func TestASleeperWakesAtItsRhythm(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	s.rests(30 * time.Second)
	for i := range 8 {
		s.device.SDK.ADC = uint16(100 + i)
		s.expect("a wake", 10*time.Minute+5*time.Second, func() bool { return !s.device.Asleep() })
		s.expect("its value", 5*time.Second, func() bool { return s.state(s.device, "brightness") == strconv.Itoa(100+i) })
		s.rests(5 * time.Second)
		if s.status() != "SLEEPING" || s.info().Sleep != 600 || s.info().Boot.Reset != "deep-sleep" {
			t.Fatalf("it says %s, %+v", s.status(), s.info())
		}
	}
	online := s.at("status", "ONLINE")
	for i := 2; i < len(online); i++ {
		if between := online[i] - online[i-1]; between < 599*time.Second || between > 601*time.Second {
			t.Errorf("wake %d comes %v after the one before", i, between)
		}
	}
	if asleep, offline := s.at("status", "SLEEPING"), s.at("status", "OFFLINE"); len(asleep) != 9 || len(offline) != 0 {
		t.Errorf("it says SLEEPING %d times and OFFLINE %d times", len(asleep), len(offline))
	}
	// At the start, and an hour later: the update interval.
	if n := s.requests(".version"); n != 2 {
		t.Errorf("it asks for the version file %d times", n)
	}
	if s.resets = slices.Compact(s.resets); !slices.Equal(s.resets, []esp8266.ResetReason{esp8266.ResetDeepSleep}) {
		t.Errorf("resets %v", s.resets)
	}
}

// A release reaches a sleeper in its next wake, if a server says that it waits; the trial is held awake.
func TestAReleaseWaitsForASleeper(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	s.wakes(11 * time.Minute)
	s.publishVariant("sensor", "v2", 2, sleepy)
	s.notify() // nobody hears it
	s.wakes(11 * time.Minute)
	if !s.runs("v1") || s.requests(".version") != 1 {
		t.Fatalf("it runs %+v, %d requests", s.info(), s.requests(".version"))
	}
	s.wait(true)
	s.expect("the trial of v2", 11*time.Minute, func() bool { return s.info().Version.ESPer == "v2" })
	slept := len(s.at("status", "SLEEPING"))
	s.expect("v2", 2*time.Minute, func() bool { return s.runs("v2") })
	if n := len(s.at("status", "SLEEPING")); n != slept {
		t.Error("it slept on trial")
	}
	s.wait(false)
	s.rests(time.Minute)
	if !s.holds(s.device, "v2", 1) {
		t.Error("it sleeps before the other slot has the release")
	}
	if s.status() != "SLEEPING" {
		t.Errorf("it says %s", s.status())
	}
	requests := s.requests(".version")
	s.wakes(11 * time.Minute)
	if n := s.requests(".version"); !s.runs("v2") || n != requests {
		t.Errorf("%d requests in the next wake, %+v", n-requests, s.info())
	}
}

// What a server has forgotten to remove costs a check in each wake, and no more.
func TestASleeperChecksOnceAWake(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	s.wait(true)
	for range 4 {
		s.wakes(11 * time.Minute)
	}
	if n := s.requests(".version"); n != 4 {
		t.Errorf("%d checks in 4 wakes", n)
	}
	if n := len(s.at("status", "SLEEPING")); n != 4 {
		t.Errorf("it slept %d times", n)
	}
	for _, payload := range []string{"0", "11", "on"} {
		s.broker.Publish(s.topic("update/waiting"), payload, true)
		s.wakes(11 * time.Minute)
	}
	if n := s.requests(".version"); n != 4 {
		t.Errorf("%d checks for messages that say nothing", n-4)
	}
}

// Only the one retained message is for a device that sleeps; and for others not even that.
func TestRetainedCommandsAreIgnoredBySleepersToo(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	s.broker.Publish(s.topic("update"), "", true)
	s.broker.Publish(s.topic("update"), "x", true)
	s.broker.Publish(s.topic("reboot"), s.device.ID(), true)
	s.wakes(11 * time.Minute)
	if n := s.requests(".version"); n != 1 || slices.Contains(s.resets, esp8266.ResetRestart) {
		t.Errorf("%d checks, resets %v", n, s.resets)
	}
	w := newWorld(t)
	d := w.add(1, "sensor", "v1", 1)
	w.publish("sensor", "v1", 1)
	w.settle()
	w.RunFor(time.Minute)
	requests := w.requests(".version")
	w.broker.Publish(realm+"/"+d.ID()+"/update/waiting", "1", true)
	w.RunFor(time.Minute)
	if n := w.requests(".version"); n != requests {
		t.Errorf("a device that does not sleep checked %d times", n-requests)
	}
}

// Whatever is wrong with new firmware, a sleeper has its old one back, and sleeps.
func TestASleepersBadFirmwareIsRolledBack(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		reason string
	}{
		"crashes":  {"static struct Bad { Bad() { asm volatile(\"ill\"); } } bad;\n", "crashed"},
		"sleeps":   {"#include <user_interface.h>\nstatic esper::Timer bad([](void*) { system_deep_sleep(1000000); }, nullptr);\nstatic struct Bad { Bad() { bad.once(5000); } } start;\n", "not-confirmed"},
		"restarts": {"static esper::Timer bad([](void*) { system_restart(); }, nullptr);\nstatic struct Bad { Bad() { bad.once(2000); } } start;\n", "not-confirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSleeper(t, theFirmwares(t), sleepy)
			s.rests(30 * time.Second)
			s.publishVariant("sensor", "v2", 2, variant{name: "sleeps, " + name, source: every(600, "#include <user_interface.h>\n#include <esper/Timer.h>\n"+c.source)})
			s.wait(true)
			s.expect("the rollback", 12*time.Minute, func() bool {
				u := s.lastUpdate(s.device)
				return u.State == "rolled-back" && u.Version == "v2" && u.Error == c.reason
			})
			s.rests(time.Minute)
			for range 3 {
				resets := len(s.resets)
				s.wakes(11 * time.Minute)
				if !s.runs("v1") || len(s.resets) != resets+1 {
					t.Fatalf("it runs %+v after %v", s.info(), s.resets[resets:])
				}
			}
			s.publishVariant("sensor", "v3", 3, sleepy)
			s.expect("v3", 13*time.Minute, func() bool { return s.runs("v3") })
			s.rests(time.Minute)
		})
	}
}

// Without a broker, a sleeper wakes less and less often; with it, at its rhythm at once.
func TestASleeperWithoutABrokerSleepsLonger(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	s.rests(30 * time.Second)
	s.Net.SetDown(s.brokerHost, true)
	var awake []time.Duration
	for _, sleep := range []time.Duration{10, 20, 40, 80, 80} {
		since := s.Now()
		s.expect("a wake", 90*time.Minute, func() bool { return !s.device.Asleep() })
		if slept := s.Now() - since; slept < sleep*time.Minute-65*time.Second || slept > sleep*time.Minute {
			t.Errorf("it slept for %v, not %d minutes", slept, sleep)
		}
		since = s.Now()
		s.rests(70 * time.Second)
		awake = append(awake, s.Now()-since)
	}
	if longest := slices.Max(awake); longest < 59*time.Second || longest > 62*time.Second {
		t.Errorf("it looks for its broker for %v", awake)
	}
	s.Net.SetDown(s.brokerHost, false)
	s.wakes(81 * time.Minute)
	since := s.Now()
	s.wakes(11 * time.Minute)
	if slept := s.Now() - since; slept > 601*time.Second {
		t.Errorf("it sleeps %v after it has found its broker", slept)
	}
}

// Updates go on without a broker: the web server may well be there.
func TestASleeperIsUpdatedWithoutABroker(t *testing.T) {
	t.Parallel()
	fine := variant{name: "sleeps, often", source: every(20, ""), config: func(c *site.Config) { c.Update.Interval = time.Minute }}
	s := newSleeper(t, theFirmwares(t), fine)
	s.rests(30 * time.Second)
	s.publishVariant("sensor", "v2", 2, fine)
	s.Net.SetDown(s.brokerHost, true)
	s.expect("its trial", 10*time.Minute, func() bool { return s.record(s.device).LastMode&image.ModeTemporary != 0 })
	s.Net.SetDown(s.brokerHost, false)
	s.expect("v2", 5*time.Minute, func() bool { return s.runs("v2") })
	s.rests(time.Minute)
}

func TestASleeperWithoutUpdatesSleeps(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), variant{name: "sleeps, no updates", source: every(600, ""), config: func(c *site.Config) {
		c.Update.URL, c.Update.Host = "", ""
	}})
	s.wait(true)
	for range 2 {
		s.wakes(11 * time.Minute)
	}
	if n := s.requests(""); n != 0 || s.status() != "SLEEPING" {
		t.Errorf("it says %s, %d requests", s.status(), n)
	}
}

// The power is cut at many moments of wakes and sleeps: the next start is like a first one.
func TestASleeperSurvivesPowerCuts(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), sleepy)
	for i := range 40 {
		s.RunFor(time.Duration(i) * 97 * time.Millisecond)
		s.device.PowerCycle()
	}
	s.RunFor(5 * time.Minute)
	s.device.PowerCycle() // asleep
	requests := s.requests(".version")
	s.rests(30 * time.Second)
	if s.status() != "SLEEPING" || s.info().Boot.Reset != "power-on" || s.requests(".version") != requests+1 {
		t.Errorf("it says %s, %+v, %d checks", s.status(), s.info(), s.requests(".version")-requests)
	}
	s.wakes(11 * time.Minute)
}

// crashesIn is code that crashes some milliseconds after a start, if the condition holds: of n, the number
// of starts since the power came.
func crashesIn(milliseconds int, condition string) string {
	return fmt.Sprintf(`
#include <esper/Timer.h>
#include <user_interface.h>
static esper::Timer crash([](void*) { asm volatile("ill"); }, nullptr);
static struct Start {
    Start() {
        volatile uint32_t* word = reinterpret_cast<volatile uint32_t*>(0x600013F0);
        uint32_t n = *word >> 16 == 0x600D ? *word & 0xFFFF : 0;
        *word = 0x600D0000 | ++n;
        if (%s) crash.once(%d);
    }
} start;
`, condition, milliseconds)
}

// A crash in every second wake costs a restart each time. The wake that follows is a good one, in which the
// device can be reached and updated, and so it never comes to safe mode, in which it would not sleep.
func TestACrashInEverySecondWakeIsNoReasonForSafeMode(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 700} {
		s := newSleeper(t, theFirmwares(t), variant{name: fmt.Sprint("sleeps, crashes every second time after ", at), source: every(600, crashesIn(at, "n % 2 == 0"))})
		for range 12 {
			s.wakes(12 * time.Minute)
			if s.info().Boot.Safe {
				t.Fatal("safe mode")
			}
		}
		crashes := 0
		for _, r := range s.resets {
			if r == esp8266.ResetException {
				crashes++
			}
		}
		if crashes < 6 {
			t.Errorf("%d crashes", crashes)
		}
		s.publishVariant("sensor", "v2", 2, sleepy)
		s.wait(true)
		s.expect("v2", 25*time.Minute, func() bool { return s.runs("v2") })
	}
}

// One that crashes in each wake, before it is done, comes into safe mode, and can be updated there.
func TestASleeperThatCrashesInEachWakeStartsInSafeMode(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 1000} {
		s := newSleeper(t, theFirmwares(t), variant{name: fmt.Sprint("sleeps, crashes after ", at), source: every(600, crashesIn(at, "n > 3"))})
		s.expect("safe mode", 40*time.Minute, func() bool { return s.info().Boot.Safe })
		resets := len(s.resets)
		s.RunFor(10 * time.Minute)
		if len(s.resets) != resets || s.device.Asleep() || s.info().Sleep != 0 {
			t.Fatalf("resets %v, %+v", s.resets, s.info())
		}
		s.publishVariant("sensor", "v2", 2, sleepy)
		s.notify()
		s.expect("v2", 2*time.Minute, func() bool { return s.runs("v2") && !s.info().Boot.Safe })
		s.rests(time.Minute)
	}
}

// Wakes that do not reach the broker say nothing about the health of the firmware.
func TestWakesWithoutABrokerDoNotExcuseCrashes(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), variant{name: "sleeps, crashes every second time, late", source: every(20, crashesIn(300, "n > 2 && n % 2 == 0"))})
	s.wakes(time.Minute)
	s.Net.SetDown(s.brokerHost, true)
	s.RunFor(40 * time.Minute)
	s.Net.SetDown(s.brokerHost, false)
	s.expect("safe mode", 5*time.Minute, func() bool { return s.info().Boot.Safe })
}

// A feature that still measures keeps the device awake, but not for ever.
func TestAMeasurementKeepsASleeperAwake(t *testing.T) {
	t.Parallel()
	slow := func(busy int) variant {
		return variant{name: fmt.Sprint("sleeps, measures for ", busy), source: every(600, fmt.Sprintf(`
#include <esper/Clock.h>
struct Slow : esper::Service {
    explicit Slow(esper::Device* device) : Service(device) {}
    bool busy() const override { return esper::Clock::seconds() < %d; }
} slow(&device);
`, busy))}
	}
	for busy, awake := range map[int]time.Duration{20: 20 * time.Second, 3600: 60 * time.Second} {
		s := newSleeper(t, theFirmwares(t), slow(busy))
		s.rests(2 * time.Minute)
		s.expect("a wake", 11*time.Minute, func() bool { return !s.device.Asleep() })
		since := s.Now()
		s.rests(2 * time.Minute)
		if took := s.Now() - since; took < awake-time.Second || took > awake+2*time.Second {
			t.Errorf("busy for %d s, it was awake for %v", busy, took)
		}
		if s.status() != "SLEEPING" {
			t.Errorf("it says %s", s.status())
		}
	}
}

// A sleep of days is made of parts, between which the device does nothing.
func TestASleepOfDaysIsOfParts(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, theFirmwares(t), variant{name: "sleeps for two days", source: every(2*86400, "")})
	s.rests(30 * time.Second)
	s.RunFor(47 * time.Hour)
	if n := len(s.at("status", "ONLINE")); n != 1 || len(s.resets) < 10 || s.requests("") != 1 {
		t.Errorf("it was online %d times; %d resets", n, len(s.resets))
	}
	s.expect("its wake", 70*time.Minute, func() bool { return len(s.at("status", "ONLINE")) == 2 })
	if s.info().Sleep != 2*86400 {
		t.Errorf("%+v", s.info())
	}
	s.rests(30 * time.Second)
	s.RunFor(10 * time.Hour)
	s.device.PowerCycle()
	s.rests(30 * time.Second)
	if n := len(s.at("status", "ONLINE")); n != 3 {
		t.Errorf("online %d times after the power was cut", n)
	}
}

// sleepyInSettings is a sleeper that has its settings from the flash.
var sleepyInSettings = variant{name: "sleeps, settings", source: every(600, ""), config: inSettings.config}

func TestSettingsReachASleeper(t *testing.T) {
	t.Parallel()
	s := newStoredOf(t, sleepyInSettings, atHome().Entries())
	d := s.device
	rests := func(max time.Duration) {
		t.Helper()
		s.expect("its sleep", max, d.Asleep)
	}
	rests(time.Minute)
	s.file = s.seal(7, atHomeBut(func(c *settings.Connection) { c.User, c.Password = "others", "swordfish2" }))
	s.broker.Users["others"] = "swordfish2"
	s.broker.Publish(realm+"/"+d.ID()+"/update/waiting", "1", true)
	s.expect("the new settings", 12*time.Minute, func() bool { return s.status().State == "confirmed" && s.status().Sequence == 7 })
	rests(time.Minute)
	s.broker.Publish(realm+"/"+d.ID()+"/update/waiting", "", true)

	// What does not work is taken back; the device reports that before it sleeps.
	s.file = s.seal(8, atHomeBut(func(c *settings.Connection) { c.Broker.Host = "nowhere" }))
	s.broker.Publish(realm+"/"+d.ID()+"/update/waiting", "1", true)
	s.expect("a rejection", 20*time.Minute, func() bool { return s.status().State == "rolled-back" && s.status().Error == "no-broker" })
	rests(time.Minute)
	s.broker.Publish(realm+"/"+d.ID()+"/update/waiting", "", true)
	if n := strings.Count(s.serial.String(), "trial: of settings"); n != 2 {
		t.Errorf("%d trials", n)
	}

	// The broker moves to where the rejected settings say: in some wake they are tried again.
	s.Net.SetDown(s.brokerHost, true)
	host := s.Net.AddHost("nowhere")
	host.Listen(1883, s.broker)
	s.broker.Users = map[string]string{"devices": "swordfish1"}
	s.expect("the settings that were rejected", 6*time.Hour, func() bool { return s.status().State == "confirmed" && s.status().Sequence == 8 })
	rests(time.Minute)
}

// The vendor's software puts the chip to sleep as the framework asks it to.
func TestAChipImageSleepsAndIsUpdated(t *testing.T) {
	f := chipFirmwares(t)
	timed := variant{name: "sleeps, time", source: sleepy.source, config: inBerlin.config}
	f.variant(t, "sensor", "v2", 2, timed)
	s := newSleeper(t, f, timed)
	s.Net.AddTimeServer("ntp")
	s.rests(time.Minute)
	for range 2 {
		since := s.Now()
		s.wakes(11 * time.Minute)
		if took := s.Now() - since; took < 590*time.Second || took > 610*time.Second {
			t.Errorf("from sleep to sleep it took %v", took)
		}
	}
	if off := len(s.at("status", "OFFLINE")); s.status() != "SLEEPING" || off != 0 || s.info().Boot.Reset != "deep-sleep" || s.info().Startup == 0 {
		t.Errorf("it says %s, and %d times OFFLINE; %+v", s.status(), off, s.info())
	}
	s.publishVariant("sensor", "v2", 2, timed)
	s.wait(true)
	s.expect("v2", 13*time.Minute, func() bool { return s.runs("v2") })
	s.rests(time.Minute)
	if !s.holds(s.device, "v2", 1) {
		t.Error("the other slot does not hold it")
	}
	s.wakes(11 * time.Minute)
}

// BenchmarkSleep is how long a wake takes, by what there is to do in it.
func BenchmarkSleep(b *testing.B) {
	for b.Loop() {
		s := newSleeper(b, theFirmwares(b), sleepy)
		s.rests(30 * time.Second)
		wake := func() time.Duration {
			s.expect("its end of sleep", 11*time.Minute, func() bool { return !s.device.Asleep() })
			since := s.Now()
			s.rests(time.Minute)
			return s.Now() - since
		}
		plain := wake()
		online, asleep := s.at("status", "ONLINE"), s.Now()
		s.wait(true)
		checking := wake()
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(plain.Seconds(), "s-awake")
		b.ReportMetric((asleep - online[len(online)-1]).Seconds(), "s-from-ONLINE-to-sleep")
		b.ReportMetric(checking.Seconds(), "s-awake-with-a-check")
	}
}
