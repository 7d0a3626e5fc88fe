package loop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// The tests in this file run images of the chip's link, byte for byte what is flashed, with the
// vendor's own software in them.

var chip struct {
	once      sync.Once
	firmwares *firmwares
	err       error
}

// chipFirmwares are what is built with the vendor's SDK.
func chipFirmwares(t testing.TB) *firmwares {
	t.Helper()
	sdk := os.Getenv("SDK_DIR")
	if sdk == "" {
		t.Skip("SDK_DIR does not name a copy of the vendor's SDK")
	}
	theFirmwares(t) // makes the folder
	chip.once.Do(func() {
		if chip.firmwares, chip.err = makeFirmwares(filepath.Join(dir, "chip")); chip.err == nil {
			chip.firmwares.sdk = sdk
			chip.firmwares.site.Config.SDK = sdk
		}
	})
	if chip.err != nil {
		t.Fatal(chip.err)
	}
	return chip.firmwares
}

// keepELF keeps the ELF files of what was just built, which the next build replaces.
func (f *firmwares) keepELF(t testing.TB, deviceType string) {
	t.Helper()
	for slot := range image.Slots {
		from := filepath.Join(f.site.BuildPath(), fmt.Sprintf("%s.elf%d", deviceType, slot))
		to := fmt.Sprintf("%s-%d", from, len(f.elves))
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		f.elves = append(f.elves, to)
	}
}

// roms are the mask ROMs that a chip image runs with.
var roms = []struct {
	name string
	read func(t testing.TB) []byte
}{
	{"emulated ROM", func(testing.TB) []byte { return nil }},
	{"the chip's ROM", chipROM},
}

// chipROM is a dump of the chip's mask ROM.
func chipROM(t testing.TB) []byte {
	t.Helper()
	path := os.Getenv("ESPER_ROM")
	if path == "" {
		t.Skip("ESPER_ROM does not name a dump of the chip's mask ROM")
	}
	rom, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return rom
}

// phyData are the vendor's initial data of the radio; none for the emulator's link.
func (f *firmwares) phyData(t testing.TB) []byte {
	t.Helper()
	if f.sdk == "" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(f.sdk, "bin", "esp_init_data_default_v08.bin"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAChipImageIsUpdated(t *testing.T) {
	for _, rom := range roms {
		t.Run(rom.name, func(t *testing.T) {
			f := chipFirmwares(t)
			w := newWorldOf(t, f)
			w.rom = rom.read(t)
			f.images(t, "socket", "v2", 2)
			w.publish("socket", "v1", 1)
			d := w.add(0xC0FFEE, "socket", "v1", 1)
			var resets []esp8266.ResetReason
			d.OnReset = func(r esp8266.ResetReason) { resets = append(resets, r) }
			w.settle()
			if info := w.device(d).Info; info.Network.MAC != "5c:cf:7f:c0:ff:ee" || info.Network.IP != "10.0.0.100" {
				t.Errorf("its network is %+v", info.Network)
			} else if info.Version.Link != "chip" {
				t.Errorf("its link is %q", info.Version.Link)
			}
			w.publish("socket", "v2", 2)
			w.notify()
			w.expect("v2 on trial", time.Minute, func() bool { return w.starts(d, "v2") })
			w.expect("v2 confirmed", time.Minute, func() bool { return w.runs(d, "v2") })
			w.expect("an end of the update", time.Minute, func() bool { return w.lastUpdate(d).AtRest() })
			t.Logf("resets %v, %v of virtual time", resets, w.Now())
		})
	}
}

func TestASnapshotOfAChipImageGoesOnAlike(t *testing.T) {
	f := chipFirmwares(t)
	f.images(t, "socket", "v2", 2)
	w := newWorldOf(t, f)
	goesOnAlike(t, w, func(id uint32) *emulator.Device { return w.add(id, "socket", "v1", 1) })
}

// TestPowerCutsOfAChipImage is TestPowerCut, with more of the cuts, for images that have the vendor's
// own software in them, and its sectors in flash.
func TestPowerCutsOfAChipImage(t *testing.T) {
	c := newCycle(t, chipFirmwares(t))
	powerCuts(t, c, c.run(t), 350, 5)
}

// The attacks by name, played against images with the vendor's own software in them.
func TestAttacksOnAChipImage(t *testing.T) {
	for name, play := range map[string]func(*testing.T, *firmwares){
		"ArbitrarySoftware":         arbitrarySoftware,
		"Rollback":                  rollback,
		"FastForward":               fastForward,
		"IndefiniteFreeze":          indefiniteFreeze,
		"MixAndMatch":               mixAndMatch,
		"WrongSoftwareInstallation": wrongSoftwareInstallation,
		"WrongSlot":                 wrongSlot,
		"PartialDownload":           partialDownload,
		"EndlessData":               endlessData,
		"SlowRetrieval":             slowRetrieval,
		"DropRequest":               dropRequest,
		"KeyRotation":               keyRotation,
		"KeyCompromise":             keyCompromise,
		"MaliciousBroker":           maliciousBroker,
		"AFloodOfTriggers":          aFloodOfTriggers,
		"WrongDeltas":               wrongDeltasCostADownload,
		"ServersWithoutDeltas":      serversWithoutDelta,
	} {
		t.Run(name, func(t *testing.T) { play(t, chipFirmwares(t)) })
	}
}

// What the vendor's software does about a program that goes wrong: its watchdog, which rests on
// a timer of the radio's controller, restarts one that hangs; its handler of exceptions restarts
// one that crashes. The next start knows why: of a hang the vendor's restart (3.0.6) says
// "restart", and the firmware knows better.
func TestTheVendorsSoftwareRestartsAChipImageThatGoesWrong(t *testing.T) {
	for _, rom := range roms {
		for code, reason := range map[string]string{
			`for (;;) asm volatile("");`:                              "software-watchdog",
			`asm volatile("rsil a2, 15"); for (;;) asm volatile("");`: "hardware-watchdog",
			`asm volatile("ill");`:                                    "exception",
		} {
			t.Run(rom.name+", "+reason, func(t *testing.T) {
				f := chipFirmwares(t)
				w := newWorldOf(t, f)
				w.rom = rom.read(t)
				bad := variant{name: reason, source: everyMinute(code)}
				images := f.variant(t, "socket", "v1", 1, bad)
				w.publish("socket", "v0", 1)
				d := w.addImage(f.bootloader, 9, images[0])
				w.settle()
				w.expect("a restart", 2*time.Minute, func() bool { return d.Resets() > 0 })
				at := w.Now()
				w.expect("a word about it", time.Minute, func() bool {
					known := w.device(d)
					return known.Info != nil && known.Info.Boot.Reset == reason
				})
				if since := at.Seconds(); since < 60 || since > 75 {
					t.Errorf("it was restarted at %.1f s, and hung at 60 s or so", since)
				}
			})
		}
	}
}

func TestAChipReleaseThatFailsIsRolledBack(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			f := chipFirmwares(t)
			failure.variant.name = name
			for _, v := range []struct {
				version  string
				sequence uint32
				variant
			}{{"v2", 2, failure.variant}, {"v3", 3, variant{}}} {
				f.variant(t, "socket", v.version, v.sequence, v.variant)
			}
			w := newWorldOf(t, f)
			w.rollsBack(w.add(1, "socket", "v1", 1), failure.variant, failure.reason)
		})
	}
}

// A device that hangs again and again comes into safe mode, as one that crashes does.
func TestAChipThatHangsAgainAndAgainStartsInSafeMode(t *testing.T) {
	f := chipFirmwares(t)
	images := f.variant(t, "socket", "v1", 1, variant{name: "hangs", source: everyMinute(`for (;;) asm volatile("");`)})
	f.images(t, "socket", "v2", 2)
	w := newWorldOf(t, f)
	w.publish("socket", "v0", 1)
	d := w.addImage(f.bootloader, 9, images[0])
	w.settle()
	w.expect("safe mode", 10*time.Minute, func() bool { return w.device(d).Info.Boot.Safe })
	w.publish("socket", "v2", 2)
	w.notify()
	w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") && !w.device(d).Info.Boot.Safe })
}

// The access point goes, and comes back; and the device says how well it hears it.
func TestAChipReturnsToItsAccessPoint(t *testing.T) {
	f := chipFirmwares(t)
	w := newWorldOf(t, f)
	w.publish("socket", "v1", 1)
	d := w.add(0x10, "socket", "v1", 1)
	w.settle()
	if rssi := w.device(d).Info.WiFi.RSSI; rssi != d.SDK.Signal() {
		t.Errorf("it hears its access point with %d dBm", rssi)
	}
	var heap []uint32 // after each return, at rest
	for range 5 {
		w.Net.SetAccessPoint(false)
		w.RunFor(10 * time.Second)
		w.Net.SetAccessPoint(true)
		since := w.Now()
		w.expect("its return", 30*time.Second, func() bool { return w.device(d).Info.Uptime > uint64(since.Seconds()) })
		w.RunFor(2 * time.Minute)
		heap = append(heap, w.device(d).Info.Heap)
	}
	if d.Resets() != 0 {
		t.Errorf("%d resets", d.Resets())
	}
	if heap[4] < heap[0] {
		t.Errorf("its memory becomes less: %v", heap)
	}
}

func TestAChipImageReadsItsAnalogueInput(t *testing.T) {
	for _, rom := range roms {
		t.Run(rom.name, func(t *testing.T) {
			w := newWorldOf(t, chipFirmwares(t))
			w.publish("sensor", "v1", 1)
			w.rom = rom.read(t)
			d := w.add(7, "sensor", "v1", 1)
			d.SDK.ADC = 700
			w.settle()
			w.expect("the value", 20*time.Second, func() bool { return w.state(d, "brightness") == "700" })
		})
	}
}

// What the chip's firmware refuses is a whole and properly signed release for the emulator.
func TestAChipImageRefusesTheOtherLink(t *testing.T) {
	f := chipFirmwares(t)
	w := newWorldOf(t, f)
	v := victimOf(t, w, w.add(8, "socket", "v1", 5))
	images := f.variant(t, "socket", "v2", 6, variant{name: "emulator", config: func(c *site.Config) { c.SDK = "" }})
	r, err := release.Sign(images, f.key)
	must(t, err)
	v.refuses(t, folder(r), "wrong-link")
	if !bytes.Equal(v.device.Chip.Flash.Bytes(), v.before) {
		t.Error("something was written")
	}
	v.recovers(t)
}
