package image

import (
	"encoding/binary"
)

// BootConfigurationSize is the size of a boot configuration in bytes.
const BootConfigurationSize = 24

// BootConfiguration says which slot to boot (SPEC 3). Everything else in its
// bytes is fixed.
type BootConfiguration struct {
	Current int // slot 0 or 1
}

// Marshal returns the boot configuration's bytes.
func (c BootConfiguration) Marshal() []byte {
	b := make([]byte, BootConfigurationSize)
	b[0], b[1], b[3], b[5] = 0xE1, 1, byte(c.Current), Slots
	binary.LittleEndian.PutUint32(b[8:], Slot0Address)
	binary.LittleEndian.PutUint32(b[12:], Slot1Address)
	return b
}

// ParseBootConfiguration reads the boot configuration at the start of b, by the
// same rule as the bootloader. It returns an [ErrConfiguration] if that could not
// read it.
func ParseBootConfiguration(b []byte) (BootConfiguration, error) {
	var c BootConfiguration
	if len(b) < BootConfigurationSize {
		return c, wrong(ErrConfiguration, "%d bytes are too few", len(b))
	}
	if b[0] != 0xE1 || b[1] != 1 {
		return c, wrong(ErrConfiguration, "it begins with %#02x %#02x, not 0xe1 0x01", b[0], b[1])
	}
	if b[5] != Slots {
		return c, wrong(ErrConfiguration, "%d slots, not %d", b[5], Slots)
	}
	if b[3] >= Slots {
		return c, wrong(ErrConfiguration, "there is no slot %d", b[3])
	}
	address0, address1 := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if address0 != Slot0Address || address1 != Slot1Address {
		return c, wrong(ErrConfiguration, "slots at %#06x and %#06x, not at %#06x and %#06x",
			address0, address1, Slot0Address, Slot1Address)
	}
	c.Current = int(b[3])
	return c, nil
}

// RTCRecordAddress is where the RTC record lies in the chip's memory, and
// RTCRecordSize its size in bytes, filled up to whole words: RTC memory has no
// narrower access.
const (
	RTCRecordAddress = 0x60001200
	RTCRecordSize    = 12
)

// Modes in the RTC record.
const (
	ModeStandard   = 0
	ModeTemporary  = 2 // a trial
	ModeRolledBack = 0x80
)

const rtcMagic = 0x2334AE68

// RTCRecord is what bootloader and firmware tell each other across a reset
// (SPEC 3).
type RTCRecord struct {
	NextMode, LastMode, LastROM, TempROM uint8
}

// Marshal returns the record's bytes.
func (r RTCRecord) Marshal() []byte {
	b := make([]byte, RTCRecordSize)
	binary.LittleEndian.PutUint32(b, rtcMagic)
	b[4], b[5], b[6], b[7] = r.NextMode, r.LastMode, r.LastROM, r.TempROM
	b[8] = xor(checksumStart, b[:8])
	return b
}

// ParseRTCRecord reads the record at the start of b. It returns an
// [ErrRTCRecord] if there is none, as after power-on.
func ParseRTCRecord(b []byte) (RTCRecord, error) {
	if len(b) < 9 {
		return RTCRecord{}, wrong(ErrRTCRecord, "%d bytes are too few", len(b))
	}
	if magic := binary.LittleEndian.Uint32(b); magic != rtcMagic {
		return RTCRecord{}, wrong(ErrRTCRecord, "magic %#08x", magic)
	}
	if checksum := xor(checksumStart, b[:8]); b[8] != checksum {
		return RTCRecord{}, wrong(ErrRTCRecord, "checksum %#02x, computed %#02x", b[8], checksum)
	}
	return RTCRecord{b[4], b[5], b[6], b[7]}, nil
}
