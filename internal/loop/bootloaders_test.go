package loop

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/image"
)

// Other bootloaders than ESPer's own, with images of the chip's link.

// rBoot builds rBoot with its exchange of data in RTC memory, as its Makefile does, but without the
// tool that packs it: the second stage is an array in the first.
func rBoot(t *testing.T) []byte {
	t.Helper()
	source := os.Getenv("RBOOT_DIR")
	if source == "" {
		t.Skip("RBOOT_DIR does not name the sources of rBoot")
	}
	build := t.TempDir()
	link := func(name, script string) *elf.File {
		object, program := filepath.Join(build, name+".o"), filepath.Join(build, name+".elf")
		for _, args := range [][]string{
			{"-Os", "-Wl,-EL", "-fno-inline-functions", "-mlongcalls", "-mtext-section-literals",
				"-D__ets__", "-DICACHE_FLASH", "-DBOOT_RTC_ENABLED", "-I", source, "-I", build,
				"-c", filepath.Join(source, name+".c"), "-o", object},
			{"-T" + filepath.Join(source, script), "-L", source, "-nostdlib", "-u", "call_user_start", "-Wl,-static",
				object, "-o", program},
		} {
			if text, err := exec.Command("xtensa-lx106-elf-gcc", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		f, err := elf.Open(program)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	segment := func(f *elf.File, name string) image.Segment {
		section := f.Section(name)
		data, err := section.Data()
		must(t, err)
		return image.Segment{Addr: uint32(section.Addr), Data: data}
	}
	second := link("rboot-stage2a", "rboot-stage2a.ld")
	code := segment(second, ".text")
	var data []string
	for _, b := range code.Data {
		data = append(data, fmt.Sprint(b))
	}
	must(t, os.WriteFile(filepath.Join(build, "rboot-hex2a.h"), fmt.Appendf(nil,
		"const uint32_t entry_addr = %d, _text_addr = %d, _text_len = %d;\nconst uint8_t _text_data[] = {%s};\n",
		second.Entry, code.Addr, len(code.Data), strings.Join(data, ",")), 0o644))
	first := link("rboot", "eagle.app.v6.ld")
	b, err := image.PackBootloader(uint32(first.Entry), []image.Segment{segment(first, ".text"), segment(first, ".rodata")})
	must(t, err)
	return b
}

// rBoot boots chip images out of both slots, for good and, for a trial, once.
func TestRBootUpdatesAChipImage(t *testing.T) {
	for _, rom := range roms {
		t.Run(rom.name, func(t *testing.T) {
			f := chipFirmwares(t)
			bootloader := rBoot(t)
			w := newWorldOf(t, f)
			w.rom = rom.read(t)
			for i, version := range []string{"v1", "v2", "v3"} {
				f.images(t, "socket", version, uint32(i+1))
			}
			w.publish("socket", "v1", 1)
			d := w.addWith(bootloader, 1, "socket", "v1", 1)
			said := &bytes.Buffer{}
			d.Chip.Serial = said
			w.settle()
			for i, version := range []string{"v2", "v3"} {
				slot := 1 - i
				said.Reset()
				w.publish("socket", version, uint32(i+2))
				w.notify()
				w.expect(version+" on trial", time.Minute, func() bool { return w.starts(d, version) })
				w.expect(version+" confirmed", time.Minute, func() bool { return w.runs(d, version) })
				w.expect("both slots", time.Minute, func() bool { return w.holds(d, version, slot) })
				if !strings.Contains(said.String(), "Booting temp rom.") {
					t.Errorf("rBoot says of the trial:\n%s", tail(said.String(), 3000))
				}
				said.Reset()
				d.PowerCycle()
				w.expect("the broker again", time.Minute, func() bool { return strings.Contains(said.String(), "mqtt: connected") })
				w.RunFor(time.Second)
				text := fmt.Sprintf("Booting rom %d at %x", slot, image.SlotAddress(slot))
				if !strings.Contains(said.String(), text) || !w.runs(d, version) || w.device(d).Info.Boot.ROM != uint8(slot) {
					t.Errorf("rBoot says:\n%s", tail(said.String(), 3000))
				}
			}
		})
	}
}

// A release that crashes or hangs on trial is refused by the firmware, though rBoot does not say that
// there was a trial.
func TestAChipReleaseThatFailsUnderRBootIsRolledBack(t *testing.T) {
	for _, name := range []string{"crashes at once", "crashes later", "hangs", "restarts"} {
		t.Run(name, func(t *testing.T) {
			f := chipFirmwares(t)
			bootloader := rBoot(t)
			failure := failures[name]
			failure.variant.name = name
			w := newWorldOf(t, f)
			w.rollsBack(w.addWith(bootloader, 1, "socket", "v1", 1), failure.variant, failure.reason)
		})
	}
}

// The vendor's boot_v1.7 takes an image at 0x1000 or 0x81000 only, where those of the slots are not
// linked for, unless its parameters name another place, as system_restart_enhance writes them: the
// first eight bytes of the sector that the last one of the flash names, each with a checksum in that.
// So it boots an image out of either slot; but it knows of no trial, and of no boot configuration.
func TestTheVendorsBootloaderBootsAChipImage(t *testing.T) {
	const (
		parameters  = 0xFD000 // two sectors, of which the one or the other counts
		checksums   = 0xFF000 + 20
		checked     = 32 // bytes of a sector that its checksum is about
		anyUserBin  = 0xFC
		enhanced1_7 = 0x67 // enhanced mode, as bit 7 is clear, written under version 7
	)
	for _, rom := range roms {
		for slot := range image.Slots {
			t.Run(fmt.Sprintf("%s, slot %d", rom.name, slot), func(t *testing.T) {
				f := chipFirmwares(t)
				w := newWorldOf(t, f)
				w.rom = rom.read(t)
				bootloader, err := os.ReadFile(filepath.Join(f.sdk, "bin", "boot_v1.7.bin"))
				must(t, err)
				bootloader[2], bootloader[3] = image.FlashDOUT, image.Flash1MB40MHz // as esptool does
				images := f.images(t, "socket", "v1", 1)
				w.publish("socket", "v1", 1)
				d := w.add(1, "socket", "v1", 1) // the vendor's software makes its parameters
				w.settle()

				at := image.SlotAddress(slot)
				place := []byte{byte(at), byte(at >> 8), byte(at >> 16)}
				content := bytes.Clone(d.Chip.Flash.Bytes())
				copy(content, bootloader)
				copy(content[at:], images[slot])
				for i := range 2 {
					sector := content[parameters+i*image.SectorSize:][:checked]
					copy(sector, slices.Concat([]byte{anyUserBin, enhanced1_7}, place, place))
					sum := byte(0xEF)
					for _, b := range sector {
						sum ^= b
					}
					content[checksums+4*i] = sum
				}
				must(t, d.Chip.Flash.Put(0, content))
				said := &bytes.Buffer{}
				d.Chip.Serial = said
				d.PowerCycle()
				w.RunFor(10 * time.Second)
				text := fmt.Sprintf("enhance boot mode, jump to run bin @ %x", at)
				if !strings.Contains(said.String(), text) || !w.runs(d, "v1") || w.device(d).Info.Boot.ROM != uint8(slot) {
					t.Errorf("it says:\n%s", tail(said.String(), 3000))
				}
			})
		}
	}
}
