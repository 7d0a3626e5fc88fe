package loop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/emulator/network"
	"esper/internal/devicesetting"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
	"esper/internal/site"
)

// storedValues returns the entries of the store of settings.
func storedValues(t *testing.T, d *emulator.Device) settings.Entries {
	t.Helper()
	r, err := settings.ReadStore(d.Chip.Flash.Bytes()[image.ValuesAddress:][:image.StoreSize])
	if err != nil {
		t.Fatal(err)
	}
	return r.Entries
}

// redeclare changes a declared setting.
func redeclare(name string, change func(*devicesetting.Declaration)) func(*site.DeviceType) {
	return func(t *site.DeviceType) {
		t.Settings = slices.Clone(t.Settings)
		at := slices.IndexFunc(t.Settings, func(s devicesetting.Setting) bool { return s.Name == name })
		change(&t.Settings[at].Declaration)
	}
}

// Values outlive an update. What the new firmware does not allow counts as its default there, and is
// there again when the old firmware is.
func TestSettingsOutliveAnUpdateAndARollback(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.publish(tuned, "v1", 1)
	w.settle()
	w.setSetting(d, "interval", "3600")
	w.setSetting(d, "mode", "fast")
	w.setSetting(d, "greeting", "Moin")
	w.expectSettings(d, "3600", "1", "fast", "Moin")
	w.publish(tuned, "v2", 2)
	w.notify()
	w.expect("v2 on trial", time.Minute, func() bool { return w.starts(d, "v2") && w.device(d).Info.Boot.Trial })
	w.expectSettings(d, "3600", "1", "fast", "Moin")
	w.setSetting(d, "enabled", "0") // works on trial
	w.expectSettings(d, "3600", "0", "fast", "Moin")
	w.expect("v2 confirmed", time.Minute, func() bool { return w.runs(d, "v2") })

	// v3 allows less, and crashes.
	w.publishVariant(tuned, "v3", 3, variant{name: "allows less, and crashes", source: `
#include <esper/Timer.h>
using namespace esper;
static Timer crashes([](void*) { asm volatile("ill"); }, nullptr);
static struct Start { Start() { crashes.once(8000); } } start;
`, declare: redeclare("interval", func(d *devicesetting.Declaration) { *d.Max = 600 })})
	w.notify()
	w.expect("v3 on trial", time.Minute, func() bool { return w.starts(d, "v3") })
	w.expectSettings(d, "60", "0", "fast", "Moin")
	w.setSetting(d, "mode", "slow")
	w.expectSettings(d, "60", "0", "slow", "Moin")
	w.expect("v2 again", time.Minute, func() bool { return w.runs(d, "v2") })
	w.expectSettings(d, "3600", "0", "slow", "Moin")
}

// A firmware keeps the entries of settings that it does not know, as long as there is room.
func TestEntriesOfOtherFirmwareAreKeptWhileThereIsRoom(t *testing.T) {
	for name, c := range map[string]struct {
		others int
		kept   bool
	}{"little": {1, true}, "more than there is room for": {27, false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.add(1, tuned, "v1", 1)
			entries := settings.Entries{settings.OfNumber("interval", 65), settings.OfNumber("greeting", 3)}
			for i := range c.others {
				entries = append(entries, settings.OfTexts(fmt.Sprint("other", i), strings.Repeat("x", 63)))
			}
			content, err := settings.Record{Generation: 7, Entries: entries}.Store()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Chip.Flash.Put(image.ValuesAddress, content); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.expectSettings(d, "65", "1", "slow", "Hello") // a number is no greeting
			w.setSetting(d, "greeting", "0123456789abcdef")
			w.expectSettings(d, "65", "1", "slow", "0123456789abcdef")
			w.RunFor(2 * time.Second)
			want := settings.Entries{settings.OfNumber("interval", 65)}
			if c.kept {
				want = append(want, entries[2:]...)
			}
			want = append(want, settings.OfTexts("greeting", "0123456789abcdef"))
			if got := storedValues(t, d); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the store holds %v, not %v", got.Names(), want.Names())
			}
		})
	}
}

// In safe mode, where device code does not run, settings can be changed: perhaps one of them is what
// makes it crash.
func TestASettingIsSetInSafeMode(t *testing.T) {
	w := newWorld(t)
	d := w.add(1, tuned, "v1", 1)
	w.publish(tuned, "v1", 1)
	w.settle()
	w.publishVariant(tuned, "v2", 2, variant{name: "crashes at an interval", source: `
#include <esper/Timer.h>
using namespace esper;
static Timer crashes([](void*) { if (settings::interval == 100) asm volatile("ill"); }, nullptr);
static struct Start { Start() { crashes.repeat(2000); } } start;
`})
	w.notify()
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
	w.setSetting(d, "interval", "100")
	w.expect("safe mode", 3*time.Minute, func() bool { return w.runs(d, "v2") && w.device(d).Info.Boot.Safe })
	if w.state(d, "setting/interval") != "100" || w.state(d, "setting") == "" {
		t.Errorf("reports %q in safe mode", w.state(d, "setting/interval"))
	}
	w.setSetting(d, "interval", "105")
	w.expect("set", 2*time.Second, func() bool { return w.state(d, "setting/interval") == "105" })
	w.RunFor(5 * time.Minute) // until the crashes count no more
	w.broker.Publish(realm+"/reboot", d.ID(), false)
	w.expect("mended", 20*time.Second, func() bool { return w.runs(d, "v2") && !w.device(d).Info.Boot.Safe })
	resets := d.Resets()
	w.RunFor(time.Minute)
	w.expectSettings(d, "105", "1", "slow", "Hello")
	if d.Resets() != resets {
		t.Error("it still crashes")
	}
}

// As many settings as a device type may have, declared by as much text as is allowed, are reported at
// each connection beside as many features, and before the device is online.
func TestAllSettingsThatADeviceMayHaveAreReported(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("r", 32)
	var declared []byte
	images := w.firmwares.variant(t, crowded, "v1", 1, variant{name: "with settings", config: func(c *site.Config) { c.Realm = long },
		declare: func(of *site.DeviceType) {
			for i := range devicesetting.Max {
				of.Settings = append(of.Settings, devicesetting.Setting{Name: fmt.Sprintf("a_setting_whose_name_is_so_long%d", i%10),
					Declaration: devicesetting.Declaration{Type: devicesetting.Text, Length: 64, Default: strings.Repeat("é", 24)}})
				if i >= 10 {
					of.Settings[i].Name = fmt.Sprintf("a_setting_whose_name_is_so_lon%d", i)
				}
			}
			for i := 0; i < devicesetting.Max*devicesetting.MaxLabel; i++ {
				label := &of.Settings[i/devicesetting.MaxLabel].Label
				*label += "x"
				text, err := devicesetting.JSON(of.Settings)
				if err != nil {
					*label = (*label)[1:]
					break
				}
				declared = text
			}
		}})
	d := w.addImage(w.firmwares.bootloader, 0xFFFFFF, images[0])
	topic := func(name string) string { return long + "/" + d.ID() + "/" + name }
	for range 2 {
		before := len(w.broker.Messages())
		w.expect("online", 2*time.Minute, func() bool {
			all := w.broker.Messages()
			return len(all) > before && slices.ContainsFunc(all[before:], func(m network.Message) bool {
				return m.Topic == topic("status") && m.Payload == fleet.Online
			})
		})
		if got, _ := w.broker.Retained(topic("setting")); got != string(declared) || len(got) < devicesetting.MaxDeclarations-16 {
			t.Errorf("declares %d bytes, not the %d", len(got), len(declared))
		}
		values := 0
		for _, m := range w.broker.Messages()[before:] {
			if strings.HasPrefix(m.Topic, topic("setting/")) && m.Payload == strings.Repeat("é", 24) {
				values++
			}
			if m.Topic == topic("status") && m.Payload == fleet.Online {
				break
			}
		}
		if values != devicesetting.Max {
			t.Errorf("%d values are reported before it is online", values)
		}
		w.broker.Publish(topic("setting/a_setting_whose_name_is_so_lon15/set"), strings.Repeat("x", 64), false)
		w.expect("the longest value", 5*time.Second, func() bool {
			value, _ := w.broker.Retained(topic("setting/a_setting_whose_name_is_so_lon15"))
			return value == strings.Repeat("x", 64)
		})
		w.broker.Publish(topic("setting/a_setting_whose_name_is_so_lon15/set"), "", false)
		w.RunFor(2 * time.Second)
		d.PowerCycle()
	}
}

// The power is cut at each flash operation of a change, in each way, and then again at each operation
// that follows: the settings are the old or the new ones, all of them.
func TestAPowerCutLeavesTheOldOrTheNewSettings(t *testing.T) {
	f := theFirmwares(t)
	r := f.release(t, tuned, "v1", 1)
	s := newScene(t, f, r.Images[0])
	s.releases = []*release.Release{r}
	s.offer(stage{handler: http.NotFoundHandler()})
	topic := realm + "/" + s.device.ID() + "/setting/"
	holds := func(interval, greeting string) func() bool {
		return func() bool {
			i, _ := s.broker.Retained(topic + "interval")
			g, _ := s.broker.Retained(topic + "greeting")
			return i == interval && g == greeting
		}
	}
	expect := func(what string, condition func() bool) {
		t.Helper()
		if !s.RunUntil(condition, 20*time.Second) {
			t.Fatalf("%s: not reached; %s\n%s", what, s.problem, tail(s.serial.String(), 1000))
		}
	}
	set := func(interval, greeting string) {
		s.broker.Publish(topic+"interval/set", interval, false)
		s.broker.Publish(topic+"greeting/set", greeting, false)
	}
	expect("the defaults", holds("60", "Hello"))
	set("100", "old")
	expect("the old values", holds("100", "old"))
	s.RunFor(3 * time.Second)
	m := s.mark()

	// change makes the change with the power cuts, and returns what was done behind the last.
	change := func(cuts []powerCut) (operations []esp8266.Operation) {
		s.set(m)
		p := s.make(cuts, func(op esp8266.Operation) {
			if op.Addr >= image.ValuesAddress && op.Addr < image.ValuesAddress+image.StoreSize {
				operations = append(operations, op)
			}
		})
		set("200", "new")
		if !s.RunUntil(func() bool { return p.over }, 5*time.Second) {
			t.Fatalf("%s: the operation was never reached", caseName(cuts))
		}
		for _, name := range []string{"interval", "greeting"} { // what was reported before says nothing
			s.broker.Publish(topic+name, "", true)
		}
		if !s.RunUntil(func() bool { return holds("100", "old")() || holds("200", "new")() }, 20*time.Second) {
			i, _ := s.broker.Retained(topic + "interval")
			g, _ := s.broker.Retained(topic + "greeting")
			t.Fatalf("%s: the settings are %q and %q", caseName(cuts), i, g)
		}
		flash := s.device.Chip.Flash.Bytes()[image.ValuesAddress:][:image.StoreSize]
		for sector := range 2 {
			got, err := settings.ParseRecord(flash[sector*image.SectorSize:][:image.SectorSize])
			if err != nil {
				t.Errorf("%s: sector %d: %v", caseName(cuts), sector, err)
				continue
			}
			interval, _ := got.Entries.Find("interval")
			if n, _ := interval.Number(); (n == 200) != holds("200", "new")() {
				t.Errorf("%s: sector %d holds %d", caseName(cuts), sector, n)
			}
		}
		if s.problem != "" {
			t.Errorf("%s: %s", caseName(cuts), s.problem)
		}
		return operations
	}
	var all []esp8266.Operation
	s.device.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
		all = append(all, op)
		return esp8266.Cut{}
	}
	set("200", "new")
	s.RunFor(3 * time.Second)
	if n := erases(all); n != 2 || !holds("200", "new")() {
		t.Fatalf("the change takes %d erased sectors", n)
	}
	cases, old := 0, 0
	for _, op := range all {
		for way := range ways {
			first := powerCut{op.Index, way}
			mended := change([]powerCut{first})
			if cases++; holds("100", "old")() {
				old++
			}
			for _, op := range mended {
				for _, way := range some([]int{0, 1, 2, 3, 4, 5}, 2) {
					change([]powerCut{first, {op.Index, way}})
					cases++
				}
			}
		}
	}
	t.Logf("%d operations, %d cases; the old settings were left in %d of the first cuts", len(all), cases, old)
	if old == 0 || old == len(all)*len(ways) {
		t.Error("the cuts are all at the same side of the change")
	}
}

// A flash that reports errors is written again, and no faster than by commands. Until it takes the
// value, that is used all the same.
func TestASettingIsSavedWhenTheFlashWorksAgain(t *testing.T) {
	for n := range 4 { // the operation that fails
		w := newWorld(t)
		d := w.add(1, tuned, "v1", 1)
		w.settle()
		w.setSetting(d, "greeting", "old")
		w.RunFor(3 * time.Second)
		broken, tried := true, 0
		d.Chip.Flash.Before = func(op esp8266.Operation) esp8266.Cut {
			if op.Addr < image.ValuesAddress || op.Addr >= image.ValuesAddress+image.StoreSize {
				return esp8266.Cut{}
			}
			if tried++; broken && (tried-1)%4 >= n {
				return esp8266.Refuse()
			}
			return esp8266.Cut{}
		}
		w.setSetting(d, "interval", "100")
		w.RunFor(10 * time.Second)
		w.expectSettings(d, "100", "1", "slow", "old")
		if tried < 3 || tried > 40 {
			t.Errorf("operation %d fails: %d are tried in 10 s", n, tried)
		}
		broken = false
		w.RunFor(3 * time.Second)
		d.PowerCycle()
		w.RunFor(2 * time.Second)
		w.expectSettings(d, "100", "1", "slow", "old")
	}
}
