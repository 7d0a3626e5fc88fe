package build_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"esper/emulator/esp8266"
	"esper/internal/build"
	"esper/internal/image"
)

// parts are what a flash is filled with: the bootloader, and an image for each slot.
type parts struct {
	bootloader []byte
	roms       [image.Slots][]byte
}

func buildParts(t testing.TB) parts {
	t.Helper()
	r := mustBuild(t, newSite(t, false), build.Options{Types: []string{"socket"}})
	p := parts{bootloader: read(t, r.Bootloader)}
	for slot, i := range r.Types[0].Images {
		p.roms[slot] = read(t, i.Path)
	}
	return p
}

// flash returns a flash that boots a slot first, with sequences as given.
func (p parts) flash(t testing.TB, current int, sequences [2]uint32) []byte {
	t.Helper()
	var roms [image.Slots][]byte
	for slot := range roms {
		roms[slot] = repack(t, p.roms[slot], func(in *image.Input) {
			binary.LittleEndian.PutUint32(in.IROM[76:], sequences[slot])
		})
	}
	b, err := image.NewFlash(p.bootloader, roms[0], roms[1])
	must(t, err)
	copy(b[image.BootConfigurationAddress:], image.BootConfiguration{Current: current}.Marshal())
	return b
}

// repack returns an image with something changed, and all sums right.
func repack(t testing.TB, rom []byte, change func(*image.Input)) []byte {
	t.Helper()
	old, err := image.Parse(bytes.Clone(rom))
	must(t, err)
	in := image.Input{Entry: old.Entry, IROM: old.IROM, Segments: old.Segments,
		Slot: old.Descriptor.Slot, FlashMode: old.FlashMode, FlashSizeFreq: old.FlashSizeFreq}
	change(&in)
	b, err := image.Pack(in)
	must(t, err)
	return b
}

// resum makes the trailer of a changed image right.
func resum(rom []byte) []byte {
	sum := sha256.Sum256(rom[:len(rom)-32])
	return append(bytes.Clone(rom[:len(rom)-32]), sum[:]...)
}

const (
	sdkStart = 0x40080010 // the gate that the firmware's start-up code calls
	slot1ROM = image.MappedFlash + image.Slot1Address
)

// booted is what came of a start.
type booted struct {
	slot   int // -1: none
	serial string
	flash  []byte
	chip   *esp8266.Chip
}

// boot starts a chip with a flash, and stops when a firmware has started or a
// second of the chip's time is over.
func boot(t testing.TB, content []byte) booted {
	t.Helper()
	flash := esp8266.NewFlash(image.FlashSize)
	must(t, flash.Put(0, content))
	return start(flash)
}

func start(flash *esp8266.Flash) booted { return startWith(flash, nil) }

// startWith starts a chip that has bytes in its RTC memory.
func startWith(flash *esp8266.Flash, record []byte) booted {
	var serial bytes.Buffer
	b := booted{slot: -1, chip: esp8266.New(flash)}
	b.chip.Serial = &serial
	b.chip.Gate = func(addr uint32) {
		if addr == sdkStart && b.slot < 0 {
			b.slot = 0
			if b.chip.Arg(0) >= slot1ROM { // user_pre_init
				b.slot = 1
			}
		}
		b.chip.Return(0)
		b.chip.Break()
	}
	b.chip.PowerOn()
	if record != nil {
		_ = b.chip.Write(image.RTCRecordAddress, record)
	}
	for b.slot < 0 {
		if b.chip.Run(esp8266.CyclesPerSecond) != esp8266.EventIdle {
			break
		}
	}
	b.serial = serial.String()
	b.flash = flash.Bytes()
	return b
}

func TestTheBootloaderFitsItsSector(t *testing.T) {
	p := buildParts(t)
	if n := len(p.bootloader); n > image.BootloaderSize {
		t.Errorf("%d bytes, but its sector has %d", n, image.BootloaderSize)
	}
}

func TestTheConfiguredSlotBoots(t *testing.T) {
	p := buildParts(t)
	for slot := range image.Slots {
		content := p.flash(t, slot, [2]uint32{7, 8})
		b := boot(t, content)
		if b.slot != slot {
			t.Fatalf("slot %d booted, not %d:\n%s", b.slot, slot, b.serial)
		}
		if !strings.Contains(b.serial, "socket 1.0, as configured") {
			t.Errorf("it does not say what it boots:\n%s", b.serial)
		}
		if !bytes.Equal(b.flash, content) {
			t.Error("the flash was changed")
		}
		record, err := b.chip.Read(image.RTCRecordAddress, image.RTCRecordSize)
		must(t, err)
		got, err := image.ParseRTCRecord(record)
		must(t, err)
		if want := (image.RTCRecord{LastROM: uint8(slot)}); got != want {
			t.Errorf("RTC record %+v, not %+v", got, want)
		}
	}
}

// refusals are the ways in which an image can be unfit to boot.
var refusals = []struct {
	name, reason string
	change       func(t testing.TB, rom, other []byte) []byte
}{
	{"erased", "no firmware", func(t testing.TB, rom, other []byte) []byte {
		return bytes.Repeat([]byte{0xFF}, len(rom))
	}},
	{"without magic", "no firmware", func(t testing.TB, rom, other []byte) []byte {
		rom[0x10] ^= 1
		return resum(rom)
	}},
	{"of an unknown format", "no firmware", func(t testing.TB, rom, other []byte) []byte {
		rom[0x14]++
		return resum(rom)
	}},
	{"for the other slot", "other slot", func(t testing.TB, rom, other []byte) []byte { return other }},
	{"larger than the slot", "impossible size", func(t testing.TB, rom, other []byte) []byte {
		binary.LittleEndian.PutUint32(rom[0x10+84:], image.SlotSize+16)
		return resum(rom)
	}},
	{"smaller than a descriptor", "impossible size", func(t testing.TB, rom, other []byte) []byte {
		binary.LittleEndian.PutUint32(rom[0x10+84:], 0x60)
		return resum(rom)
	}},
	{"without its first sector", "no firmware", func(t testing.TB, rom, other []byte) []byte {
		copy(rom, bytes.Repeat([]byte{0xFF}, image.SectorSize))
		return rom
	}},
	{"cut short", "SHA-256", func(t testing.TB, rom, other []byte) []byte { return rom[:len(rom)-image.SectorSize] }},
	{"with a wrong bit in its header", "SHA-256", func(t testing.TB, rom, other []byte) []byte {
		rom[4] ^= 0x10
		return rom
	}},
	{"with a wrong bit in its version", "SHA-256", func(t testing.TB, rom, other []byte) []byte {
		rom[0x10+40] ^= 1
		return rom
	}},
	{"with a wrong bit in its code", "SHA-256", func(t testing.TB, rom, other []byte) []byte {
		rom[len(rom)/2] ^= 0x80
		return rom
	}},
	{"with a wrong bit in its trailer", "SHA-256", func(t testing.TB, rom, other []byte) []byte {
		rom[len(rom)-1] ^= 1
		return rom
	}},
	{"with a segment in the bootloader", "RAM", segmentAt(0x4010E000)},
	{"with a segment in the bootloader's data", "RAM", segmentAt(0x3FFF9FFC)},
	{"with a segment before the RAM", "RAM", segmentAt(0x3FFE7FFC)},
	{"with a segment at no multiple of 4", "RAM", segmentAt(0x40100002)},
	{"with a segment longer than the image", "RAM", func(t testing.TB, rom, other []byte) []byte {
		binary.LittleEndian.PutUint32(rom[firstSegment(rom)+4:], 0x40000000)
		return resum(rom)
	}},
	{"with an irom part longer than the image", "RAM", func(t testing.TB, rom, other []byte) []byte {
		binary.LittleEndian.PutUint32(rom[12:], 0xFFFFFFF0)
		return resum(rom)
	}},
	{"without RAM segments", "RAM", func(t testing.TB, rom, other []byte) []byte {
		rom[firstSegment(rom)-7] = 0
		return resum(rom)
	}},
}

// firstSegment returns where an image's first RAM segment begins.
func firstSegment(rom []byte) int {
	return 0x10 + int(binary.LittleEndian.Uint32(rom[12:])) + 8
}

func segmentAt(addr uint32) func(t testing.TB, rom, other []byte) []byte {
	return func(_ testing.TB, rom, _ []byte) []byte {
		binary.LittleEndian.PutUint32(rom[firstSegment(rom):], addr)
		return resum(rom)
	}
}

func TestAnImageThatIsNotWholeGivesWayToTheOther(t *testing.T) {
	p := buildParts(t)
	for i, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			bad := i % 2
			content := p.flash(t, bad, [2]uint32{1, 1})
			slot := content[image.SlotAddress(bad):][:image.SlotSize]
			rom := bytes.Clone(slot[:len(p.roms[bad])])
			copy(slot, bytes.Repeat([]byte{0xFF}, len(rom)))
			copy(slot, refusal.change(t, rom, p.roms[1-bad]))
			b := boot(t, content)
			if b.slot != 1-bad {
				t.Fatalf("slot %d booted, not %d:\n%s", b.slot, 1-bad, b.serial)
			}
			if !strings.Contains(b.serial, "refused: ") || !strings.Contains(b.serial, refusal.reason) ||
				!strings.Contains(b.serial, "the other does not boot") {
				t.Errorf("it does not say why (%q):\n%s", refusal.reason, b.serial)
			}
			if !bytes.Equal(b.flash, content) {
				t.Error("the flash was changed")
			}
		})
	}
}

// The bootloader's decisions are those of image.Flash.Boots, which the tools use.
func TestAnUnreadableConfigurationIsWrittenAnew(t *testing.T) {
	p := buildParts(t)
	for _, test := range []struct {
		name      string
		change    func(configuration []byte)
		sequences [2]uint32
		damaged   int // slot, or -1
		want      int
	}{
		{"the higher sequence is in slot 0", erase, [2]uint32{9, 8}, -1, 0},
		{"the higher sequence is in slot 1", erase, [2]uint32{8, 9}, -1, 1},
		{"the sequences are equal", erase, [2]uint32{5, 5}, -1, 0},
		{"the higher sequence is damaged", erase, [2]uint32{8, 9}, 1, 0},
		{"a wrong magic", func(c []byte) { c[0] = 0xE2 }, [2]uint32{8, 9}, -1, 1},
		{"a wrong version", func(c []byte) { c[1] = 2 }, [2]uint32{8, 9}, -1, 1},
		{"three slots", func(c []byte) { c[5] = 3 }, [2]uint32{8, 9}, -1, 1},
		{"a slot that is not there", func(c []byte) { c[3] = 2 }, [2]uint32{8, 9}, -1, 1},
		{"another address", func(c []byte) { c[14]++ }, [2]uint32{8, 9}, -1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := p.flash(t, 0, test.sequences)
			test.change(content[image.BootConfigurationAddress:][:image.BootConfigurationSize])
			if test.damaged >= 0 {
				content[image.SlotAddress(test.damaged)+0x200] ^= 1
			}
			predicted, err := image.ParseFlash(bytes.Clone(content))
			must(t, err)
			b := boot(t, content)
			if b.slot != test.want {
				t.Fatalf("slot %d booted, not %d:\n%s", b.slot, test.want, b.serial)
			}
			if predicted.Boots() != test.want {
				t.Errorf("image.Flash says that slot %d boots", predicted.Boots())
			}
			got, err := image.ParseBootConfiguration(b.flash[image.BootConfigurationAddress:])
			must(t, err)
			if got.Current != test.want {
				t.Errorf("the new configuration names slot %d", got.Current)
			}
			if !bytes.Equal(b.flash[image.Slot0Address:], content[image.Slot0Address:]) {
				t.Error("more than the configuration was changed")
			}
		})
	}
}

func erase(b []byte) {
	copy(b, bytes.Repeat([]byte{0xFF}, len(b)))
}

func TestAPowerCutWhileTheConfigurationIsWrittenDoesNoHarm(t *testing.T) {
	p := buildParts(t)
	for operation, cut := range []esp8266.Cut{
		esp8266.CutBefore(), esp8266.CutTorn(7), esp8266.CutAfter(),
		esp8266.CutBefore(), esp8266.CutTorn(7), esp8266.CutAfter(),
	} {
		content := p.flash(t, 0, [2]uint32{8, 9})
		content[image.BootConfigurationAddress] = 0
		flash := esp8266.NewFlash(image.FlashSize)
		must(t, flash.Put(0, content))
		cuts := 0
		flash.Before = func(o esp8266.Operation) esp8266.Cut {
			cuts++
			if cuts == 1+operation/3 { // erase, then program
				return cut
			}
			return esp8266.Cut{}
		}
		start(flash)
		flash.Before = nil
		if b := start(flash); b.slot != 1 {
			t.Errorf("cut %d: slot %d booted afterwards:\n%s", operation, b.slot, b.serial)
		}
	}
}

func TestWithoutAnImageTheBootloaderSaysSoAndStops(t *testing.T) {
	p := buildParts(t)
	for _, current := range []byte{0, 1, 0xFF} {
		content := p.flash(t, 0, [2]uint32{1, 1})
		content[image.BootConfigurationAddress+3] = current
		content[image.Slot0Address+0x300] ^= 4
		content[image.Slot1Address+0x300] ^= 4
		b := boot(t, content)
		if b.slot != -1 || !strings.Contains(b.serial, "no slot boots") {
			t.Errorf("configuration %d: slot %d:\n%s", current, b.slot, b.serial)
		}
		if n := strings.Count(b.serial, "no slot boots"); n != 1 {
			t.Errorf("configuration %d: it stopped %d times", current, n)
		}
		if !bytes.Equal(b.flash, content) {
			t.Errorf("configuration %d: the flash was changed", current)
		}
	}
}

func BenchmarkBoot(b *testing.B) {
	p := buildParts(b)
	content := p.flash(b, 0, [2]uint32{1, 1})
	b.ResetTimer()
	for range b.N {
		started := boot(b, content)
		b.ReportMetric(float64(started.chip.CPU.Cycles)/esp8266.CyclesPerSecond*1000, "chip-ms/boot")
	}
}
