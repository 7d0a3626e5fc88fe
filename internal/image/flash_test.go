package image

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestABootConfigurationIsWrittenAsSpecified(t *testing.T) {
	got := BootConfiguration{Current: 1}.Marshal()
	want := []byte("\xE1\x01\x00\x01\x00\x02\x00\x00\x00\x20\x00\x00\x00\x20\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	if !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

func TestABootConfigurationIsReadByTheBootloadersRule(t *testing.T) {
	good := BootConfiguration{Current: 1}.Marshal()
	tests := []struct {
		name     string
		at       int
		value    byte
		readable bool
	}{
		{"as it is", 0, 0xE1, true},
		{"magic", 0, 0xE0, false},
		{"version", 1, 2, false},
		{"mode is not looked at", 2, 1, true},
		{"current_rom not below count", 3, 2, false},
		{"gpio_rom is not looked at", 4, 1, true},
		{"count", 5, 3, false},
		{"unused bytes", 6, 0xFF, true},
		{"address of slot 0", 9, 0x30, false},
		{"address of slot 1", 14, 0x09, false},
		{"address of a third slot is not looked at", 16, 1, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bytes.Clone(good)
			b[test.at] = test.value
			c, err := ParseBootConfiguration(b)
			if test.readable && (err != nil || c.Current != 1) {
				t.Errorf("%+v, %v", c, err)
			}
			if !test.readable && !errors.Is(err, ErrConfiguration) {
				t.Errorf("error %v, want %v", err, ErrConfiguration)
			}
		})
	}
	if _, err := ParseBootConfiguration(good[:23]); !errors.Is(err, ErrConfiguration) {
		t.Errorf("23 bytes: %v", err)
	}
}

func TestAnRTCRecordIsWrittenAndReadAsSpecified(t *testing.T) {
	r := RTCRecord{NextMode: ModeTemporary, LastMode: ModeStandard, LastROM: 0, TempROM: 1}
	b := r.Marshal()
	// 0xEF ^ 0x68 ^ 0xAE ^ 0x34 ^ 0x23 ^ 0x02 ^ 0x00 ^ 0x00 ^ 0x01 = 0x3D
	want := []byte("\x68\xAE\x34\x23\x02\x00\x00\x01\x3D\x00\x00\x00")
	if !bytes.Equal(b, want) {
		t.Fatalf("% x, want % x", b, want)
	}
	if got, err := ParseRTCRecord(b); err != nil || got != r {
		t.Errorf("%+v, %v", got, err)
	}
	for at := range 9 {
		damaged := bytes.Clone(b)
		damaged[at] ^= 0x10
		if _, err := ParseRTCRecord(damaged); !errors.Is(err, ErrRTCRecord) {
			t.Errorf("byte %d changed: error %v, want %v", at, err, ErrRTCRecord)
		}
	}
	if _, err := ParseRTCRecord(b[:8]); !errors.Is(err, ErrRTCRecord) {
		t.Errorf("8 bytes: %v", err)
	}
}

// flash returns the content of a flash with images of the sequences given, 0 for
// none.
func flash(t testing.TB, sequence0, sequence1 uint32) []byte {
	t.Helper()
	bootloader, err := PackBootloader(0x4010E000, []Segment{{0x4010E000, []byte("boot")}})
	if err != nil {
		t.Fatal(err)
	}
	var roms [Slots][]byte
	for slot, sequence := range []uint32{sequence0, sequence1} {
		if sequence > 0 {
			in := input(slot)
			in.IROM = descriptor("socket", fmt.Sprint("v", sequence), sequence)
			roms[slot] = mustPack(t, in)
		}
	}
	b, err := NewFlash(bootloader, roms[0], roms[1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestANewFlashHasEverythingInItsPlace(t *testing.T) {
	b := flash(t, 1, 2)
	if len(b) != 1<<20 {
		t.Fatalf("%d bytes", len(b))
	}
	for address, want := range map[int]byte{
		0x000000: 0xE9, 0x000800: 0xFF, 0x001000: 0xE1, 0x001003: 0, 0x001018: 0xFF,
		0x002000: 0xEA, 0x07AFFF: 0xFF, 0x080000: 0xFF, 0x082000: 0xEA, 0x0FB000: 0xFF, 0x0FFFFF: 0xFF,
	} {
		if b[address] != want {
			t.Errorf("%#02x at %#06x, want %#02x", b[address], address, want)
		}
	}
	f, err := ParseFlash(b)
	if err != nil || f.BootloaderError != nil || f.ConfigurationError != nil {
		t.Fatalf("%v, %+v", err, f)
	}
	for slot, s := range f.Slots {
		if s.Error != nil || s.Image.Descriptor.Slot != slot || s.Image.Descriptor.Sequence != uint32(slot+1) {
			t.Errorf("slot %d: %+v, %v", slot, s.Image, s.Error)
		}
	}
}

func TestNothingOutgrowsItsPlaceInANewFlash(t *testing.T) {
	var large *TooLargeError
	if _, err := NewFlash(make([]byte, 4097), nil, nil); !errors.As(err, &large) || large.Max != 4096 {
		t.Errorf("bootloader: %v", err)
	}
	if _, err := NewFlash(nil, nil, make([]byte, SlotSize+1)); !errors.As(err, &large) || large.Max != SlotSize {
		t.Errorf("image: %v", err)
	}
}

func TestTheSlotThatBoots(t *testing.T) {
	const slot0, slot1 = Slot0Address + 0x90, Slot1Address + 0x90
	tests := []struct {
		name                 string
		sequence0, sequence1 uint32
		current              int // -1: unreadable configuration
		damage               []int
		want                 int
	}{
		{"current_rom 0", 1, 2, 0, nil, 0},
		{"current_rom 1", 2, 1, 1, nil, 1},
		{"the other one, if current_rom is damaged", 1, 2, 0, []int{slot0}, 1},
		{"the other one, if current_rom is erased", 2, 0, 1, nil, 0},
		{"none, if both are damaged", 1, 2, 0, []int{slot0, slot1}, -1},
		{"none, if both are erased", 0, 0, 0, nil, -1},
		{"the higher sequence without a configuration", 1, 2, -1, nil, 1},
		{"slot 0 without a configuration, if it has the higher sequence", 2, 1, -1, nil, 0},
		{"slot 0 without a configuration, if they are equal", 2, 2, -1, nil, 0},
		{"the whole one without a configuration", 1, 2, -1, []int{slot1}, 0},
		{"none without a bootloader", 1, 2, 0, []int{0}, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := flash(t, test.sequence0, test.sequence1)
			if test.current < 0 {
				b[BootConfigurationAddress] = 0
			} else {
				b[BootConfigurationAddress+3] = byte(test.current)
			}
			for _, at := range test.damage {
				b[at] ^= 1
			}
			f, err := ParseFlash(b)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Boots(); got != test.want {
				t.Errorf("boots %d, want %d", got, test.want)
			}
		})
	}
}

func TestAFlashTellsWhatIsWrongInIt(t *testing.T) {
	empty := bytes.Repeat([]byte{0xFF}, FlashSize)
	f, err := ParseFlash(empty)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"bootloader": f.BootloaderError, "slot 0": f.Slots[0].Error, "slot 1": f.Slots[1].Error,
	} {
		if !errors.Is(err, ErrErased) {
			t.Errorf("%s: error %v, want %v", name, err, ErrErased)
		}
	}
	if !errors.Is(f.ConfigurationError, ErrConfiguration) {
		t.Errorf("boot configuration: %v", f.ConfigurationError)
	}

	b := flash(t, 1, 0)
	copy(b[Slot1Address:], b[Slot0Address:Slot0Address+SlotSize])
	if f, err = ParseFlash(b); err != nil || !errors.Is(f.Slots[1].Error, ErrSlot) {
		t.Errorf("slot 0's image in slot 1: %v, %v", err, f.Slots[1].Error)
	}
	if _, err := ParseFlash(b[:FlashSize-1]); !errors.Is(err, ErrSize) {
		t.Errorf("a byte less: %v", err)
	}
}

func FuzzParseSlot(f *testing.F) {
	f.Add(mustPack(f, input(0)), 0)
	f.Add(append(mustPack(f, input(1)), 0xFF, 0xFF), 1)
	f.Fuzz(func(t *testing.T, b []byte, slot int) {
		parsed, err := ParseSlot(b, slot)
		if err == nil && parsed.Descriptor.Slot != slot {
			t.Errorf("an image for slot %d in slot %d", parsed.Descriptor.Slot, slot)
		}
		checkTyped(t, err)
	})
}

func FuzzParseBootConfiguration(f *testing.F) {
	f.Add(BootConfiguration{Current: 1}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseBootConfiguration(b)
		if err == nil && (c.Current < 0 || c.Current >= Slots) {
			t.Errorf("slot %d", c.Current)
		}
		checkTyped(t, err)
	})
}

func FuzzParseRTCRecord(f *testing.F) {
	f.Add(RTCRecord{NextMode: ModeTemporary, TempROM: 1}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRTCRecord(b)
		if err == nil && !bytes.Equal(r.Marshal()[:9], b[:9]) {
			t.Errorf("written again: % x from % x", r.Marshal(), b)
		}
		checkTyped(t, err)
	})
}

// Whatever lies in a flash, each part of it is read or refused for one of the
// reasons above, whatever the others are; and what boots is there.
func FuzzParseFlash(f *testing.F) {
	whole := flash(f, 1, 0)
	slots := [][]byte{mustPack(f, input(0)), mustPack(f, input(1))}
	for _, configuration := range [][]byte{nil, BootConfiguration{}.Marshal(), BootConfiguration{Current: 1}.Marshal()} {
		f.Add(whole[:BootloaderSize], configuration, slots[0], slots[1])
		f.Add(whole[:BootloaderSize], configuration, slots[1], slots[0])
		f.Add([]byte{0xE9}, configuration, slots[0][:40], []byte{0xEA, 4})
	}
	nothing := bytes.Repeat([]byte{0xFF}, FlashSize)
	b := make([]byte, FlashSize)
	f.Fuzz(func(t *testing.T, bootloader, configuration, rom0, rom1 []byte) {
		copy(b, nothing)
		copy(b[Slot1Address:][:SlotSize], rom1)
		copy(b[Slot0Address:][:SlotSize], rom0)
		copy(b[BootConfigurationAddress:][:SectorSize], configuration)
		copy(b[BootloaderAddress:][:BootloaderSize], bootloader)
		parsed, err := ParseFlash(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{parsed.BootloaderError, parsed.ConfigurationError, parsed.Slots[0].Error, parsed.Slots[1].Error} {
			checkTyped(t, err)
		}
		if (parsed.Bootloader == nil) != (parsed.BootloaderError != nil) {
			t.Errorf("bootloader %v, error %v", parsed.Bootloader, parsed.BootloaderError)
		}
		for i, slot := range parsed.Slots {
			if (slot.Image == nil) != (slot.Error != nil) || slot.Image != nil && slot.Image.Descriptor.Slot != i {
				t.Errorf("slot %d: %+v", i, slot)
			}
		}
		if boots := parsed.Boots(); boots >= 0 && parsed.Slots[boots].Image == nil {
			t.Errorf("slot %d boots, which holds nothing", boots)
		}
	})
}

// checkTyped fails for an error that is none of the reasons why something is not
// whole.
func checkTyped(t *testing.T, err error) {
	t.Helper()
	reasons := []error{
		ErrTruncated, ErrTrailingData, ErrMagic, ErrFormat, ErrHeader, ErrDeviceType, ErrVersion, ErrDescriptor,
		ErrSlot, ErrSize, ErrSegment, ErrChecksum, ErrTrailer, ErrErased, ErrConfiguration, ErrRTCRecord,
	}
	var large *TooLargeError
	if err != nil && !errors.As(err, &large) && !slices.ContainsFunc(reasons, func(r error) bool { return errors.Is(err, r) }) {
		t.Errorf("an error without a reason: %v", err)
	}
}
