package image

import (
	"encoding/binary"
	"fmt"
)

// Flash modes and the usual size and clock, as they stand in an image's header
// (SPEC 2.2). DOUT works with every flash chip and module, the ESP8285 included.
const (
	FlashQIO  = 0
	FlashQOUT = 1
	FlashDIO  = 2
	FlashDOUT = 3

	Flash1MB40MHz = 0x20
)

// FlashModes are the names of the modes in which a chip reads its flash.
var FlashModes = map[string]uint8{"qio": FlashQIO, "qout": FlashQOUT, "dio": FlashDIO, "dout": FlashDOUT}

// FlashModeName returns the name of a mode.
func FlashModeName(mode uint8) string {
	for name, m := range FlashModes {
		if m == mode {
			return name
		}
	}
	return fmt.Sprintf("mode %d", mode)
}

// MaxSegments is the largest number of segments in an image.
const MaxSegments = 8

const (
	standardMagic = 0xE9
	checksumStart = 0xEF
)

// Segment is a piece of RAM that an image fills.
type Segment struct {
	Addr uint32
	Data []byte
}

// Standard is an image in the format that the mask ROM boots (SPEC 2.2).
type Standard struct {
	Entry         uint32
	FlashMode     uint8
	FlashSizeFreq uint8
	Segments      []Segment
}

// PackBootloader returns the image of a bootloader. An image larger than the
// bootloader's sector is a [TooLargeError].
func PackBootloader(entry uint32, segments []Segment) ([]byte, error) {
	s := Standard{entry, FlashDOUT, Flash1MB40MHz, segments}
	b, err := s.append(nil)
	if err != nil {
		return nil, err
	}
	if len(b) > BootloaderSize {
		return nil, &TooLargeError{"bootloader", len(b), BootloaderSize}
	}
	return b, nil
}

// append adds the image to a file of which b is all that stands before.
// Segments are filled up with zeros to a multiple of 4 bytes; empty ones are left
// out.
func (s Standard) append(b []byte) ([]byte, error) {
	var segments []Segment
	for _, segment := range s.Segments {
		if segment.Addr%4 != 0 {
			return nil, wrong(ErrSegment, "load address %#08x is no multiple of 4", segment.Addr)
		}
		if len(segment.Data) > 0 {
			segments = append(segments, segment)
		}
	}
	if n := len(segments); n < 1 || n > MaxSegments {
		return nil, wrong(ErrSegment, "%d segments, but an image has 1 to %d", n, MaxSegments)
	}
	b = append(b, standardMagic, byte(len(segments)), s.FlashMode, s.FlashSizeFreq)
	b = binary.LittleEndian.AppendUint32(b, s.Entry)
	checksum := byte(checksumStart)
	for _, segment := range segments {
		padding := -len(segment.Data) & 3
		b = binary.LittleEndian.AppendUint32(b, segment.Addr)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(segment.Data)+padding))
		b = append(b, segment.Data...)
		b = append(b, make([]byte, padding)...)
		checksum = xor(checksum, segment.Data)
	}
	b = append(b, make([]byte, 15-len(b)%16)...)
	return append(b, checksum), nil
}

// ParseStandard reads the standard image at the start of b. It returns its size
// in bytes, checksum included; what comes after is not looked at.
func ParseStandard(b []byte) (*Standard, int, error) {
	return parseStandard(b, 0)
}

// parseStandard reads the standard image at b[at:]. The checksum's place counts
// from the start of b.
func parseStandard(b []byte, at int) (*Standard, int, error) {
	if len(b)-at < 8 {
		return nil, 0, wrong(ErrTruncated, "no room for a header at %#x", at)
	}
	if b[at] != standardMagic {
		return nil, 0, wrong(ErrMagic, "%#02x where %#02x should be, at %#x", b[at], standardMagic, at)
	}
	count := int(b[at+1])
	if count < 1 || count > MaxSegments {
		return nil, 0, wrong(ErrSegment, "%d segments, but an image has 1 to %d", count, MaxSegments)
	}
	s := &Standard{
		FlashMode:     b[at+2],
		FlashSizeFreq: b[at+3],
		Entry:         binary.LittleEndian.Uint32(b[at+4:]),
	}
	if s.FlashMode > FlashDOUT {
		return nil, 0, wrong(ErrHeader, "flash mode %d, but there are 0 to 3", s.FlashMode)
	}
	checksum := byte(checksumStart)
	at += 8
	for i := range count {
		if len(b)-at < 8 {
			return nil, 0, wrong(ErrTruncated, "it ends in the header of segment %d", i)
		}
		addr := binary.LittleEndian.Uint32(b[at:])
		length := binary.LittleEndian.Uint32(b[at+4:])
		at += 8
		if addr%4 != 0 || length%4 != 0 {
			return nil, 0, wrong(ErrSegment, "segment %d: %d bytes to %#08x, no multiples of 4",
				i, length, addr)
		}
		if uint64(length) > uint64(len(b)-at) {
			return nil, 0, wrong(ErrTruncated, "it ends in segment %d", i)
		}
		data := b[at : at+int(length)]
		s.Segments = append(s.Segments, Segment{addr, data})
		checksum = xor(checksum, data)
		at += int(length)
	}
	end := at | 15
	if end >= len(b) {
		return nil, 0, wrong(ErrTruncated, "it ends before its checksum")
	}
	if !zero(b[at:end]) {
		return nil, 0, wrong(ErrSegment, "the bytes between segments and checksum are not zero")
	}
	if b[end] != checksum {
		return nil, 0, wrong(ErrChecksum, "%#02x, computed %#02x", b[end], checksum)
	}
	return s, end + 1, nil
}

// xor adds data to a checksum.
func xor(checksum byte, data []byte) byte {
	for _, c := range data {
		checksum ^= c
	}
	return checksum
}
