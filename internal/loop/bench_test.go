package loop

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"esper/emulator/esp8266"
	"esper/internal/fleet"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// The figures of docs/FIGURES.md. Cycles are emulated ones at 80 MHz, one for each
// instruction; what that leaves out stands in emulator/esp8266/romcycles.go.

// benchSize is the size of the image that is booted and downloaded, in bytes.
const benchSize = 300 << 10

// padded returns the images of a firmware with more bytes in flash, as a large program has.
func padded(t testing.TB, images [image.Slots][]byte) (large [image.Slots][]byte) {
	t.Helper()
	for slot, rom := range images {
		// Whole sectors, so that what is behind them begins with one, as it did.
		more := (benchSize - len(rom)) / image.SectorSize * image.SectorSize
		large[slot] = repacked(t, rom, func(in *image.Input) {
			unrelated(in.IROM) // another relocation list follows
			size := len(in.IROM) + more
			in.IROM = bytes.Clone(in.IROM) // its room ends where the segments begin
			for sum := sha256.Sum256(nil); len(in.IROM) < size; sum = sha256.Sum256(sum[:]) {
				in.IROM = append(in.IROM, sum[:16]...)
			}
			clear(in.IROM[len(in.IROM)-image.RelocationRoom:])
		})
	}
	image.Relate(large[0], large[1])
	return large
}

func (f *firmwares) elf(deviceType string, slot int) string {
	return filepath.Join(f.site.Dir, site.BuildDir, fmt.Sprintf("%s.elf%d", deviceType, slot))
}

func milliseconds(cycles uint64) float64 { return float64(cycles) / esp8266.CyclesPerSecond * 1000 }

// BenchmarkBootloader is the time from a reset to the first instruction of the
// firmware.
func BenchmarkBootloader(b *testing.B) {
	f := theFirmwares(b)
	rom := padded(b, f.images(b, "socket", "v1", 1))[0]
	parsed, err := image.Parse(rom)
	if err != nil {
		b.Fatal(err)
	}
	content, err := image.NewFlash(f.bootloader, rom, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		flash := esp8266.NewFlash(image.FlashSize)
		if err := flash.Put(0, content); err != nil {
			b.Fatal(err)
		}
		chip := esp8266.New(flash)
		program := readProgram(b, filepath.Join(f.site.Dir, site.BuildDir, "bootloader.elf"))
		program.mustHave(b, "Sha256::update", "SPIRead")
		var cycles, hashing, flashing, last, instructions uint64
		at := ""
		chip.CPU.Trace = func(pc uint32) {
			now := chip.CPU.Cycles
			switch at {
			case "Sha256::compress", "Sha256::update":
				hashing += now - last
			case "SPIRead":
				flashing += now - last
			}
			last = now
			instructions++
			if at = ""; program.find(pc) >= 0 {
				at = program.functions[program.last].name
			}
			if pc == parsed.Entry {
				cycles = now
				chip.Break()
			}
		}
		chip.PowerOn()
		if chip.Run(3 * esp8266.CyclesPerSecond); cycles == 0 {
			b.Fatal("it does not boot within 3 s")
		}
		b.ReportMetric(float64(len(rom)), "bytes")
		b.ReportMetric(float64(cycles), "cycles/boot")
		b.ReportMetric(float64(instructions), "instructions/boot")
		b.ReportMetric(milliseconds(cycles), "ms/boot")
		b.ReportMetric(float64(cycles)/52e3, "ms/boot-at-52MHz")
		b.ReportMetric(milliseconds(flashing), "ms-flash/boot")
		b.ReportMetric(float64(hashing)/float64(len(rom)), "SHA256-cycles/byte")
	}
}

// withAnotherFeature is the socket with one more.
var withAnotherFeature = variant{name: "another feature", source: `
constexpr const char LAMP[] = "lamp";
OnOffFeature<LAMP, 14, false> lamp(&device);
`}

// BenchmarkUpdate is an update to a release with one more feature: by a whole image, with a standby slot that
// has nothing in common with it, and with one that holds the release before; and by the delta.
func BenchmarkUpdate(b *testing.B) {
	f := theFirmwares(b)
	sign := func(images [image.Slots][]byte) *release.Release {
		r, err := release.Sign(images, f.key)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	v2 := sign(padded(b, f.variant(b, "socket", "v2", 2, withAnotherFeature)))
	v1 := sign(padded(b, f.images(b, "socket", "v1", 1)))
	b.Run("image", func(b *testing.B) {
		benchmarkUpdate(b, f.downloaded(b, f.release(b, "socket", "v1", 1)), f.downloaded(b, v2))
	})
	b.Run("image-over-the-one-before", func(b *testing.B) { benchmarkUpdate(b, f.downloaded(b, v1), f.downloaded(b, v2)) })
	b.Run("delta", func(b *testing.B) { benchmarkUpdate(b, v1, v2) })
}

// benchmarkUpdate is a whole update, from the message that there is a release to the
// confirmation of the new firmware: its states in seconds, as they are reported, then
// what the time goes to until the reboot, in milliseconds. Normal work waits for the
// longest turn of the event loop at most, and for the reboot.
func benchmarkUpdate(b *testing.B, v1, v2 *release.Release) {
	for b.Loop() {
		w := newWorld(b)
		running := readProgram(b, w.firmwares.elf("socket", 0))
		d := w.addImage(w.firmwares.bootloader, 1, v1.Images[0])
		w.offer(v1)
		w.settle()
		w.RunFor(20 * time.Second) // triggers are not followed faster than that
		w.offer(v2)
		heapBefore, _ := d.SDK.HeapFree()
		reset := time.Duration(0)
		var restarting uint64
		resets := d.Resets()
		running.mustHave(b, "Sha256", "Ed25519::step")
		p := profileOf(d, running, "Ed25519::step", "spi_flash_erase_sector", "spi_flash_write", "spi_flash_read")
		d.OnReset = func(reason esp8266.ResetReason) {
			p.stop()
			if reset == 0 {
				reset, restarting = d.Now(), p.instructions
			}
		}
		begin := w.Now()
		heapLeast, stack := heapBefore, 0
		w.notify()
		w.expect("v2 runs", 2*time.Minute, func() bool {
			if d.Resets() == resets {
				_, least := d.SDK.HeapFree()
				heapLeast, stack = min(heapLeast, least), max(stack, d.SDK.StackUsed())
			}
			return w.runs(d, "v2")
		})
		// When each state was reported, and when the new firmware was online.
		at, received := map[string]time.Duration{}, uint32(0)
		for _, m := range w.broker.Messages() {
			var u fleet.UpdateStatus
			if m.At < begin || m.Topic == realm+"/"+d.ID()+"/info" || json.Unmarshal([]byte(m.Payload), &u) != nil {
				continue
			}
			if u.Received != nil {
				received = *u.Received
			}
			if _, known := at[u.State]; !known {
				at[u.State] = m.At
			}
		}
		size := float64(len(v2.Images[1]))
		hashing := p.of("Sha256")
		flash := p.of("spi_flash_erase_sector", "spi_flash_write", "spi_flash_read")
		idle := p.of("idle")
		b.ReportMetric(0, "ns/op")
		b.ReportMetric((reset - begin).Seconds(), "s-until-the-reboot")
		b.ReportMetric(float64(received), "B-over-the-air")
		b.ReportMetric((at["confirmed"] - begin).Seconds(), "s/update")
		b.ReportMetric((at["downloading"] - begin).Seconds(), "s-checking")
		b.ReportMetric((at["verifying"] - at["downloading"]).Seconds(), "s-downloading")
		b.ReportMetric((reset - at["verifying"]).Seconds(), "s-verifying")
		b.ReportMetric((at["trial"] - reset).Seconds(), "s-rebooting")
		b.ReportMetric((at["confirmed"] - at["trial"]).Seconds(), "s-on-trial")
		b.ReportMetric(milliseconds(p.of("spi_flash_erase_sector")), "ms-erasing")
		b.ReportMetric(milliseconds(p.of("spi_flash_write")), "ms-writing")
		b.ReportMetric(milliseconds(p.of("spi_flash_read")), "ms-reading-back")
		b.ReportMetric(milliseconds(hashing), "ms-SHA256")
		b.ReportMetric(float64(hashing)/(2*size), "SHA256-cycles/byte")
		b.ReportMetric(float64(p.turns["Ed25519::step"]), "Ed25519-cycles")
		b.ReportMetric(milliseconds(p.turns["Ed25519::step"]), "ms-Ed25519")
		b.ReportMetric(milliseconds(idle), "ms-waiting")
		busy := uint64((reset-begin)*2/25) - idle
		b.ReportMetric(milliseconds(busy-hashing-flash-p.turns["Ed25519::step"]), "ms-other")
		b.ReportMetric(milliseconds(p.longest), "ms-longest-turn")
		b.ReportMetric(float64(restarting), "instructions/update")
		b.ReportMetric(float64(heapBefore-heapLeast), "B-heap-peak")
		b.ReportMetric(float64(heapLeast), "B-heap-left")
		b.ReportMetric(float64(stack), "B-stack")
		b.Logf("longest turn in %s\n%s", p.longestIn, p)
	}
}
