package build_test

import (
	"bytes"
	"strings"
	"testing"

	"esper/emulator/esp8266"
	"esper/internal/image"
)

// A trial is asked for by the RTC record; a firmware that starts finds in it what came
// of that (docs/SPEC.md, sections 3 and 4).
func TestTheBootloaderTriesOnce(t *testing.T) {
	p := buildParts(t)
	for name, c := range map[string]struct {
		current int
		damaged int // slot, or -1
		before  image.RTCRecord
		slot    int
		after   image.RTCRecord
	}{
		"a trial of the other slot": {0, -1,
			image.RTCRecord{NextMode: 2, TempROM: 1}, 1, image.RTCRecord{LastMode: 2, LastROM: 1}},
		"a trial of slot 0": {1, -1,
			image.RTCRecord{NextMode: 2, LastROM: 1, TempROM: 0}, 0, image.RTCRecord{LastMode: 2}},
		"a reset in the trial": {0, -1,
			image.RTCRecord{LastMode: 2, LastROM: 1}, 0, image.RTCRecord{LastMode: 0x80, TempROM: 1}},
		"a reset after that": {0, -1,
			image.RTCRecord{LastMode: 0x80, TempROM: 1}, 0, image.RTCRecord{}},
		"a trial of a slot that does not boot": {0, 1,
			image.RTCRecord{NextMode: 2, TempROM: 1}, 0, image.RTCRecord{LastMode: 0x80, TempROM: 1}},
		"a trial of a slot that there is not": {0, -1,
			image.RTCRecord{NextMode: 2, TempROM: 2}, 0, image.RTCRecord{}},
		"a reset after the confirmation": {1, -1,
			image.RTCRecord{LastROM: 1}, 1, image.RTCRecord{LastROM: 1}},
		"a trial whose old firmware went bad": {0, 0,
			image.RTCRecord{LastMode: 2, LastROM: 1}, 1, image.RTCRecord{LastMode: 0x80, LastROM: 1, TempROM: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			content := p.flash(t, c.current, [2]uint32{7, 8})
			if c.damaged >= 0 {
				content[image.SlotAddress(c.damaged)+0x300] ^= 4
			}
			flash := esp8266.NewFlash(image.FlashSize)
			must(t, flash.Put(0, content))
			b := startWith(flash, c.before.Marshal())
			if b.slot != c.slot {
				t.Fatalf("slot %d booted, not %d:\n%s", b.slot, c.slot, b.serial)
			}
			if got := recordOf(t, b); got != c.after {
				t.Errorf("RTC record %+v, not %+v", got, c.after)
			}
			if trial := strings.Contains(b.serial, "on trial"); trial != (c.after.LastMode == image.ModeTemporary) {
				t.Errorf("it does not say what it does:\n%s", b.serial)
			}
			if !bytes.Equal(b.flash, content) {
				t.Error("the flash was changed")
			}
		})
	}
}

func recordOf(t *testing.T, b booted) image.RTCRecord {
	t.Helper()
	record, err := b.chip.Read(image.RTCRecordAddress, image.RTCRecordSize)
	must(t, err)
	r, err := image.ParseRTCRecord(record)
	must(t, err)
	return r
}

func TestARecordWithAFlippedBitAsksForNoTrial(t *testing.T) {
	p := buildParts(t)
	content := p.flash(t, 0, [2]uint32{7, 8})
	for bit := range 72 {
		record := image.RTCRecord{NextMode: image.ModeTemporary, TempROM: 1}.Marshal()
		record[bit/8] ^= 1 << (bit % 8)
		flash := esp8266.NewFlash(image.FlashSize)
		must(t, flash.Put(0, content))
		b := startWith(flash, record)
		if b.slot != 0 {
			t.Fatalf("bit %d: slot %d booted", bit, b.slot)
		}
		if got := recordOf(t, b); got != (image.RTCRecord{}) {
			t.Errorf("bit %d: RTC record %+v", bit, got)
		}
	}
}
