package preflight

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/firmware"
	"esper/internal/build"
	"esper/internal/delta"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository/repositorytest"
	"esper/internal/site"
)

const password = "correct horse"

// workshop builds firmware of one site, each variant once.
type workshop struct {
	site       *site.Site
	key        ed25519.PrivateKey
	bootloader []byte
	mu         sync.Mutex
	good       [2]*release.Release // v1 and v2
}

var (
	once sync.Once
	made *workshop
	dir  string
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func theWorkshop(t testing.TB) *workshop {
	t.Helper()
	once.Do(func() {
		var err error
		if dir, err = os.MkdirTemp("", "preflight-*"); err != nil {
			t.Fatal(err)
		}
		devices, err := fs.Sub(firmware.Files, "devices")
		if err != nil {
			t.Fatal(err)
		}
		err = site.Create(dir, site.Template{
			Realm: "home", SSID: "net", MQTT: "mqtt://broker:1883", UpdateURL: "http://10.0.0.7:8080/firmware",
			Devices: devices, Types: []string{"socket"},
		})
		if err != nil {
			t.Fatal(err)
		}
		w := &workshop{key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
		if w.site, err = site.Open(dir); err != nil {
			t.Fatal(err)
		}
		w.site.Config.Update.Keys = []ed25519.PublicKey{w.key.Public().(ed25519.PublicKey)}
		w.site.Config.WiFi.Password = password
		w.site.Config.Secrets = site.InImage // but for the tests of the others
		w.good[0] = w.release(t, "v1", 1, variant{})
		w.good[1] = w.release(t, "v2", 2, variant{})
		made = w
	})
	if made == nil {
		t.Fatal("nothing could be built")
	}
	return made
}

// variant is how a firmware differs from what the site says.
type variant struct {
	source string             // added to the device type's
	config func(*site.Config) // what changes
	key    ed25519.PrivateKey // that signs; nil: the site's
	log    site.Log
}

// release builds and signs.
func (w *workshop) release(t testing.TB, version string, sequence uint32, v variant) *release.Release {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	path := filepath.Join(w.site.Dir, site.DevicesDir, "socket", "socket.cpp")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(path, source, 0o644)
	if err := os.WriteFile(path, []byte(string(source)+v.source), 0o644); err != nil {
		t.Fatal(err)
	}
	changed := *w.site
	if v.config != nil {
		v.config(&changed.Config)
	}
	changed.Types = slices.Clone(changed.Types)
	changed.Types[0].Log = v.log
	var log bytes.Buffer
	result, err := build.Build(context.Background(), &changed, build.Options{Version: &site.Version{Name: version, Sequence: sequence}, Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	images, err := release.ReadImages(filepath.Dir(result.Bootloader), "socket")
	if err != nil {
		t.Fatal(err)
	}
	if w.bootloader, err = os.ReadFile(result.Bootloader); err != nil {
		t.Fatal(err)
	}
	key := v.key
	if key == nil {
		key = w.key
	}
	r, err := release.Sign(images, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *workshop) options(subjects ...Subject) Options {
	return Options{Config: w.site.Config, Bootloader: w.bootloader, Subjects: subjects}
}

func TestAGoodReleasePasses(t *testing.T) {
	t.Parallel()
	w := theWorkshop(t)
	begin := time.Now()
	r, err := Check(t.Context(), w.options(Subject{Release: w.good[1], Published: w.good[0]}))
	t.Log(time.Since(begin))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range r.Cases {
		names = append(names, c.about())
		t.Log(c.about(), c.Seconds)
	}
	if got := strings.Join(names, ", "); got != "slot 0, slot 1, update to slot 1 from v1, update to slot 0 from v1" {
		t.Errorf("the cases are: %s", got)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

// sleepy is code of a device that wakes every ten minutes.
const sleepy = "\n#include <esper/Sleep.h>\nstatic esper::Sleep sleeper(&device, 600);\n"

// Devices that sleep are no longer online when they are done.
func TestAGoodReleaseThatSleepsPasses(t *testing.T) {
	w := theWorkshop(t)
	asleep := [2]*release.Release{w.release(t, "v1", 1, variant{source: sleepy}), w.release(t, "v2", 2, variant{source: sleepy})}
	forDays := w.release(t, "v2", 2, variant{source: strings.Replace(sleepy, "600", "864000", 1)})
	t.Parallel()
	for _, s := range []Subject{
		{Release: asleep[1], Published: asleep[0]}, {Release: asleep[1], Published: w.good[0]},
		{Release: w.good[1], Published: asleep[0]}, {Release: forDays},
	} {
		if r, err := Check(t.Context(), w.options(s)); err != nil || len(r.Warnings) > 0 {
			t.Errorf("%v, %q", err, r.Warnings)
		}
	}
}

// A device that can use deltas downloads no image, unless there is no right delta.
func TestAnUpdateNeedsNoMoreThanItsDelta(t *testing.T) {
	w := theWorkshop(t)
	t.Parallel()
	for name, test := range map[string]struct {
		make   func(source, target []byte) ([]byte, error)
		reason string // that devices download the whole image; empty: they do not
	}{
		"a delta":              {make: nil},
		"none":                 {make: func(_, _ []byte) ([]byte, error) { return nil, errors.New("none") }},
		"an encoder's mistake": {make: func(_, _ []byte) ([]byte, error) { panic("out of range") }},
		"from another image":   {make: damaged(4), reason: "wrong-source"},
		"to another image":     {make: damaged(40), reason: `(malformed-delta|bad-signature|malformed-image|wrong-version)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := w.options(Subject{Release: w.good[1], Published: w.good[0]})
			o.make, o.LogDir = test.make, t.TempDir()
			r, err := Check(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			warnings := strings.Join(r.Warnings, "\n")
			want := `^socket v2: devices that run v1, which is published, download the whole image though there is a delta: ` +
				`they say "` + test.reason + `"; the serial log: .*socket\.log$`
			if test.reason == "" {
				want = "^$"
			}
			if !regexp.MustCompile(want).MatchString(warnings) {
				t.Errorf("the warnings are: %s", warnings)
			}
		})
	}
}

// damaged returns an encoder of deltas that are wrong in one byte.
func damaged(at int) func(source, target []byte) ([]byte, error) {
	return func(source, target []byte) ([]byte, error) {
		d, err := delta.Make(source, target)
		if err == nil {
			d[at] ^= 0xFF
		}
		return d, err
	}
}

// in is code that runs some time after each start.
func in(seconds, code string) string {
	return `
#include <esper/Timer.h>
using namespace esper;
static Timer later([](void*) { ` + code + ` }, nullptr);
static struct Start { Start() { later.once(` + seconds + `000); } } start;
`
}

// again is code that runs again and again.
func again(milliseconds, code string) string {
	return `
#include <esper/Timer.h>
using namespace esper;
static Timer often([](void*) { ` + code + ` }, nullptr);
static struct Start { Start() { often.repeat(` + milliseconds + `); } } start;
`
}

// describing is code that adds so many features to an info. A # in their names counts them, from 0 on.
func describing(count int, name string) string {
	return fmt.Sprintf(`
#include <esper/Service.h>
using namespace esper;
static class Odd : public Service {
  public:
    Odd() : Service(&::device) {}
    Description describe() const override;
} odd[%d];
static char names[%[1]d][20];
Description Odd::describe() const {
    Description d;
    char* const out = names[this - odd];
    for (int i = 0; %[2]q[i] != 0; i++) {
        out[i] = %[2]q[i] == '#' ? '0' + (this - odd) : %[2]q[i];
    }
    d.name = out;
    d.kind = "sensor";
    return d;
}
`, count, name)
}

// deep needs more stack in a constructor than there is.
const deep = `
static struct Deep { Deep() { volatile char big[2400]; for (unsigned i = 0; i < sizeof big; i++) big[i] = 1; } } deep;
`

// A release that is not what it should be is refused, and it is said why.
// What a device says on UART 1 is in the log, too.
func TestAReleaseThatPrintsElsewhereIsHeard(t *testing.T) {
	w := theWorkshop(t)
	r := w.release(t, "v3", 3, variant{source: in("10", `*reinterpret_cast<volatile int*>(4) = 1;`), log: site.Log{Port: "uart1"}})
	t.Parallel()
	_, err := Check(t.Context(), w.options(Subject{Release: r, Published: w.good[0]}))
	failures := Failures(err)
	if len(failures) != 1 || !strings.HasPrefix(failures[0].Reason, "it crashed: exception 29") ||
		!strings.Contains(failures[0].Serial, " mqtt: connected") {
		t.Errorf("%v, %+v", err, failures)
	}
}

func TestABadReleaseIsRefused(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	for name, bad := range map[string]struct {
		variant
		about, reason string // what the message says
	}{
		"crashes at its start": {variant{source: "\nstatic struct Crash { Crash() { asm volatile(\"ill\"); } } crash;\n"},
			"slot 0", `^it crashed: exception 0 \(IllegalInstructionCause\) at 0x402[0-9a-f]{5}.*, 0\.\d s after its start$`},
		"needs more stack in a constructor than there is": {variant{source: deep}, "slot 0", `^it crashed: the 2144 bytes of stack that constructors have, and user_init, have overflowed at 0x4.*, 0\.\d s after its start$`},
		"frees what it has not allocated": {variant{source: "#include <esper/Service.h>\n" + in("1", `vPortFree(reinterpret_cast<void*>(0x3FFEF000), "", 0);`)},
			"slot 0", `^it crashed: .* is freed, which is not allocated, or not any more at 0x4.*, 1\.\d s after its start$`},
		"crashes after 10 s": {variant{source: in("10", `*reinterpret_cast<volatile int*>(4) = 1;`)},
			"slot 0", `^it crashed: exception 29 \(StoreProhibitedCause\) .*, 10\.\d s after its start$`},
		"crashes, and prints nothing": {variant{source: in("10", `*reinterpret_cast<volatile int*>(4) = 1;`), log: site.Log{Level: "none", Port: "none"}},
			"slot 0", `^it crashed: exception 29 \(StoreProhibitedCause\) .*, 10\.\d s after its start$`},
		"hangs": {variant{source: in("5", `for (;;) asm volatile("");`)},
			"slot 0", `^it hung, and the software watchdog reset it at 0x40.*, 8\.\d s after`},
		"restarts by itself": {variant{source: "#include <user_interface.h>\n" + in("20", `system_restart();`)},
			"slot 0", `^it restarted by itself, 20\.\d s after`},
		"does not join the network": {variant{source: "#include <user_interface.h>\n" + again("100", `wifi_station_disconnect();`)},
			"slot 0", `^it did not join the network, or looked for nothing there within 1m0s$`},
		"loses its connections for ever": {variant{source: "#include <user_interface.h>\n" + `
#include <esper/Timer.h>
using namespace esper;
static Timer off([](void*) { wifi_station_disconnect(); }, nullptr);
` + in("60", `off.repeat(100);`)},
			"slot 0", `^it is no longer connected to the broker 5m0s after its start$`},
		"loses the network again and again": {variant{source: "#include <user_interface.h>\n" + again("8000", `wifi_station_disconnect();`)},
			"slot 0", `^it does not stay connected to the broker for 30s, as an update needs it`},
		"has another realm": {variant{config: func(c *site.Config) { c.Realm = "elsewhere" }},
			"slot 0", `^it reports itself in realm "elsewhere", not in "home"$`},
		"looks for updates at another path": {variant{config: func(c *site.Config) { c.Update.Path = "/other" }},
			"slot 0", `^it looks for updates at /other/socket.version, but they are served at /firmware/socket.version$`},
		"has no update service": {variant{config: func(c *site.Config) { c.Update.URL, c.Update.Host = "", "" }},
			"slot 0", `^it did not look for updates within 1m0s`},
		"is signed by a stranger": {variant{key: stranger},
			"slot 0", `^it refuses its own release: none of the keys that it trusts signed it`},
		"trusts only a stranger": {variant{config: func(c *site.Config) { c.Update.Keys = []ed25519.PublicKey{stranger.Public().(ed25519.PublicKey)} }},
			"slot 0", `^it refuses its own release`},
		"is signed by a new key that it trusts": {variant{key: stranger, config: func(c *site.Config) { c.Update.Keys = []ed25519.PublicKey{stranger.Public().(ed25519.PublicKey)} }},
			"update to slot 1 from v1", `^devices that run v1 refuse it: none of the keys that they trust signed it$`},
		"has a feature that it calls badly": {variant{source: describing(1, "living room")},
			"slot 0", `^a server cannot use all of its info: features: "living room" cannot be the name of one$`},
		"has two features of one name": {variant{source: "static OnOffFeature<NAME, 13> twin(&device);\n"},
			"slot 0", `^a server cannot use all of its info: features: there are two called "socket"$`},
		"has two features on one pin": {variant{source: "constexpr const char TWIN[] = \"twin\"; static OnOffFeature<TWIN, 12> twin(&device);\n"},
			"slot 0", `^pin 12 is used by socket and twin$`},
		"has more features than a server takes": {variant{source: describing(43, "f#")},
			"slot 0", `^a server cannot use all of its info: features: `},
		"has more features than fit into an info": {variant{source: describing(200, "some-feature")},
			"slot 0", `^a server cannot use all of its info: features: there are more than have room in it$`},
		"sleeps, and crashes when it wakes": {variant{source: sleepy + `
#include <user_interface.h>
static struct Crash { Crash() { if (system_get_rst_info()->reason == REASON_DEEP_SLEEP_AWAKE) asm volatile("ill"); } } crash;
`},
			"slot 0", `^it crashed: exception 0 `},
		"is to sleep, and does not": {variant{source: sleepy + "static struct Hold { Hold() { sleeper.hold(true); } } hold;\n"},
			"slot 0", `^it does not sleep within 2m0s, though it says that it wakes every 10m0s$`},
		"sleeps, and does not find the broker when it wakes": {variant{source: sleepy + `
#include <user_interface.h>
static esper::Timer off([](void*) { if (system_get_rst_info()->reason == REASON_DEEP_SLEEP_AWAKE) wifi_station_disconnect(); }, nullptr);
static struct Off { Off() { off.repeat(50); } } start;
`},
			"slot 0", `^it does not wake, reach the broker and sleep again within 12m0s$`},
		"leaves no memory for an update": {variant{source: "#include <esper/Service.h>\n" + in("1", `while (pvPortMalloc(512, "", 0, false) != nullptr) {}`)},
			"slot 0", `^it `},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorkshop(t)
			r := w.release(t, "v3", 3, bad.variant)
			t.Parallel()
			o := w.options(Subject{Release: r, Published: w.good[0]})
			o.LogDir = t.TempDir()
			_, err := Check(t.Context(), o)
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatalf("not refused: %v", err)
			}
			if f.about() != bad.about || !regexp.MustCompile(bad.reason).MatchString(f.Reason) {
				t.Errorf("%s: %s", f.about(), f.Reason)
			}
			log, err := os.ReadFile(f.LogFile)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(f.Serial, "\n") {
				if !strings.Contains(string(log), line) {
					t.Errorf("not in the log: %q", line)
				}
			}
			t.Logf("%v\n%s", err, f.Serial)
		})
	}
}

// What is known to be no fault of the release is a warning.
func TestWhatIsNoFaultOfTheReleaseIsAWarning(t *testing.T) {
	crash := "\nstatic struct Crash { Crash() { asm volatile(\"ill\"); } } crash;\n"
	for name, c := range map[string]struct {
		published variant
		sequence  uint32 // of the published release
		config    func(*site.Config)
		warning   string
	}{
		"the published release crashes before it can look": {published: variant{source: crash, config: func(c *site.Config) { c.Update.URL, c.Update.Host = "", "" }},
			sequence: 1, warning: `v0, which is published, never asks for updates: it crashed: exception 0`},
		"the published release does not update": {published: variant{config: func(c *site.Config) { c.Update.URL, c.Update.Host = "", "" }},
			sequence: 1, warning: `v0, which is published, never asks for updates; devices that run it must be flashed`},
		"the published release has a feature that nobody can use": {published: variant{source: describing(1, "living room"),
			config: func(c *site.Config) { c.Realm = "cabin" }},
			sequence: 1, warning: `from cabin to home for their topics`},
		"the published release is newer": {sequence: 5, warning: `devices that run v0, which is published, do not install it: its sequence is not greater`},
		"devices move": {published: variant{config: func(c *site.Config) {
			c.Realm, c.MQTT.Host, c.Update.Host, c.Update.Path = "cabin", "192.168.1.9", "old.lan", "/fw"
		}}, sequence: 1, warning: `from http://old\.lan:8080/fw to http://10\.0\.0\.7:8080/firmware for updates`},
		"the site says another broker": {sequence: 1, config: func(c *site.Config) { c.MQTT.Host = "other" },
			warning: `it looks for the broker at broker:1883, but esper.toml says other:1883`},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorkshop(t)
			published := w.release(t, "v0", c.sequence, c.published)
			t.Parallel()
			o := w.options(Subject{Release: w.good[1], Published: published})
			if c.config != nil {
				c.config(&o.Config)
			}
			r, err := Check(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(r.Warnings, "\n"); !regexp.MustCompile(c.warning).MatchString(all) {
				t.Errorf("the warnings are: %s", all)
			}
		})
	}
}

// A function of device code that works for longer than 50 ms is a warning.
func TestDeviceCodeThatBlocksIsAWarning(t *testing.T) {
	for name, c := range map[string]struct{ source, took string }{
		"a timer":        {in("5", `ets_delay_us(40000); ets_delay_us(40000);`), "(8[0-9])"},
		"no longer than": {in("5", `ets_delay_us(45000);`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorkshop(t)
			r := w.release(t, "v3", 3, variant{source: "extern \"C\" void ets_delay_us(unsigned);\n" + c.source})
			t.Parallel()
			report, err := Check(t.Context(), w.options(Subject{Release: r}))
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(report.Warnings, "\n")
			if c.took == "" && all != "" || !regexp.MustCompile(c.took).MatchString(all) || strings.Count(all, "device code took") > 1 {
				t.Errorf("the warnings are: %s", all)
			}
		})
	}
}

// A firmware that crashes when it starts is in safe mode in the end, where it
// takes a release that is better.
func TestAReleaseIsTriedFromSafeModeToo(t *testing.T) {
	w := theWorkshop(t)
	broken := w.release(t, "v0", 1, variant{source: "\nstatic struct Crash { Crash() { asm volatile(\"ill\"); } } crash;\n"})
	r, err := Check(t.Context(), w.options(Subject{Release: w.good[1], Published: broken}))
	if err != nil || len(r.Cases) != 4 || len(r.Warnings) > 0 {
		t.Errorf("%v; %+v", err, r)
	}
}

// What a site without updates releases is tried as far as that goes.
func TestAReleaseWithoutUpdatesIsTriedWithoutThem(t *testing.T) {
	w := theWorkshop(t)
	without := func(c *site.Config) { c.Update.URL, c.Update.Host = "", "" }
	r := w.release(t, "v3", 3, variant{config: without})
	o := w.options(Subject{Release: r})
	without(&o.Config)
	report, err := Check(t.Context(), o)
	if err != nil || len(report.Cases) != 2 {
		t.Errorf("%v; %+v", err, report)
	}
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "must be flashed over the serial line") {
		t.Errorf("the warnings are: %q", report.Warnings)
	}
}

func TestAPreflightEndsWithItsContext(t *testing.T) {
	w := theWorkshop(t)
	busy := w.release(t, "v3", 3, variant{source: again("1", `for (volatile int i = 0; i < 15000; i = i + 1) {}`)})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Check(ctx, w.options(Subject{Release: busy})); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// published is a repository of one release.
type published struct{ *release.Release }

func (p published) Current(string) (*release.Release, error) {
	if p.Release == nil {
		return nil, fs.ErrNotExist
	}
	return p.Release, nil
}

// An image that says that it is the chip's, but not where the vendor's functions are, cannot be
// tried: new, it is refused; published, it is no reason to refuse another.
func TestWhatTheEmulatorCannotRunIsNotTried(t *testing.T) {
	w := theWorkshop(t)
	chip := func(r *release.Release) *release.Release {
		var images [image.Slots][]byte
		for slot, content := range r.Images {
			images[slot] = repositorytest.Mark(content, image.LinkChip)
		}
		signed, err := release.Sign(images, w.key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	try := func(r, before *release.Release) (string, error) {
		var log strings.Builder
		err := Try(t.Context(), w.site, w.site.BuildPath(), published{before}, []*release.Release{r}, nil, &log)
		return log.String(), err
	}
	if _, err := try(chip(w.good[1]), chip(w.good[0])); len(Failures(err)) != 1 ||
		!strings.Contains(err.Error(), "its images: the emulator cannot run its image for slot 0: it does not say where the vendor's functions are") {
		t.Errorf("new: %v", err)
	}
	log, err := try(w.good[1], chip(w.good[0]))
	if err != nil || !strings.Contains(log, "the update from v1 was not tried: that is linked for the chip, this for the emulator") ||
		!strings.Contains(log, "all 2 cases of socket are good") {
		t.Errorf("published: %v; %s", err, log)
	}
	if _, err := try(w.good[1], w.good[1]); err != nil {
		t.Errorf("published already: %v", err)
	}
}

// BenchmarkPreflight is the four cases of a device type.
func BenchmarkPreflight(b *testing.B) {
	w := theWorkshop(b)
	for b.Loop() {
		if _, err := Check(b.Context(), w.options(Subject{Release: w.good[1], Published: w.good[0]})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/type")
}

func TestWhyADeltaWasNotUsedIsNoReason(t *testing.T) {
	for want, u := range map[string]fleet.UpdateStatus{
		`it says "failed" for "bad-signature"`: {State: "failed", Error: "bad-signature"},
		`it says "downloading"`:                {State: "downloading", Error: "bad-signature"},
		"it says nothing of updates":           {},
	} {
		if got := said(u); got != want {
			t.Errorf("%+v: %s, want %s", u, got, want)
		}
	}
}

// Where the images hold no settings, the devices of the emulator have them in their flash, unless the
// published release says that those in the field have none.
func TestWhereTheSettingsAreCounts(t *testing.T) {
	from := func(secrets site.Secrets) variant {
		return variant{config: func(c *site.Config) { c.Secrets = secrets }}
	}
	for name, c := range map[string]struct {
		published, is site.Secrets
		refused       string
	}{
		"from image to move":        {site.InImage, site.Moving, ""},
		"from move to settings":     {site.Moving, site.InSettings, ""},
		"from settings to settings": {site.InSettings, site.InSettings, ""},
		"from settings to image":    {site.InSettings, site.InImage, ""},
		"from image to settings": {site.InImage, site.InSettings,
			`devices that run v0 have no settings in flash, and this firmware brings none.*release it once with build.secrets = "move"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorkshop(t)
			o := w.options(Subject{Release: w.release(t, "v2", 2, from(c.is)), Published: w.release(t, "v0", 1, from(c.published))})
			o.Config.Secrets = c.is
			t.Parallel()
			r, err := Check(t.Context(), o)
			if c.refused == "" && (err != nil || len(r.Warnings) > 0) {
				t.Errorf("%v, %v", err, r.Warnings)
			}
			if c.refused != "" && (err == nil || !regexp.MustCompile(c.refused).MatchString(err.Error())) {
				t.Errorf("%v", err)
			}
		})
	}
}
