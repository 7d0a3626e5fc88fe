package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

const (
	slotMagic   = 0xEA
	slotMagic2  = 0x04
	headerSize  = 0x10
	trailerSize = sha256.Size

	// The smallest image: header, descriptor, a standard image with one empty
	// segment, trailer.
	minImageSize = headerSize + DescriptorSize + 32 + trailerSize
)

// Image is an image for one slot (SPEC 2.1).
type Image struct {
	Descriptor Descriptor
	Standard            // entry address and RAM segments
	IROM       []byte   // begins with the descriptor
	Trailer    [32]byte // SHA-256 of all bytes before it
}

// Input is what a linked firmware gives to be packed.
type Input struct {
	Entry         uint32
	IROM          []byte // begins with a descriptor; its slot, size and link are filled in
	Segments      []Segment
	Slot          int
	Link          Link
	FlashMode     uint8
	FlashSizeFreq uint8
}

// Pack returns the image file for a slot. One that outgrows the slot is a
// [TooLargeError].
func Pack(in Input) ([]byte, error) {
	if in.Slot != 0 && in.Slot != 1 {
		return nil, wrong(ErrSlot, "%d is neither 0 nor 1", in.Slot)
	}
	if len(in.IROM) < DescriptorSize {
		return nil, wrong(ErrTruncated, "the irom part has no room for a descriptor")
	}
	for _, segment := range in.Segments {
		if err := checkRAM(segment); err != nil {
			return nil, err
		}
	}
	if in.Entry == 0 {
		return nil, errEntry
	}
	padding := -len(in.IROM) & 15
	b := []byte{slotMagic, slotMagic2, in.FlashMode, in.FlashSizeFreq}
	b = binary.LittleEndian.AppendUint32(b, in.Entry)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(in.IROM)+padding))
	b = append(b, in.IROM...)
	b = append(b, make([]byte, padding)...)
	b, err := Standard{in.Entry, in.FlashMode, in.FlashSizeFreq, in.Segments}.append(b)
	if err != nil {
		return nil, err
	}
	size := len(b) + trailerSize
	if size > SlotSize {
		return nil, &TooLargeError{"image", size, SlotSize}
	}
	binary.LittleEndian.PutUint32(b[headerSize+offsetSlot:], uint32(in.Slot))
	binary.LittleEndian.PutUint32(b[headerSize+offsetSize:], uint32(size))
	binary.LittleEndian.PutUint32(b[headerSize+offsetLink:], uint32(in.Link))
	if _, err := ParseDescriptor(b[headerSize:]); err != nil {
		return nil, err
	}
	b = append(b, make([]byte, trailerSize)...)
	seal(b)
	return b, nil
}

// The bootloader does not boot such an image.
var errEntry = wrong(ErrHeader, "an entry address of 0")

// Parse reads an image file and returns an error if it is not whole. The result
// refers to b.
func Parse(b []byte) (*Image, error) {
	d, err := peek(b)
	if err != nil {
		return nil, err
	}
	if len(b) < d.Size {
		return nil, wrong(ErrTruncated, "%d bytes of %d", len(b), d.Size)
	}
	if len(b) > d.Size {
		return nil, wrong(ErrTrailingData, "%d bytes, but the image has %d", len(b), d.Size)
	}
	trailer := sha256.Sum256(b[:d.Size-trailerSize])
	if !bytes.Equal(trailer[:], b[d.Size-trailerSize:]) {
		return nil, ErrTrailer
	}
	if !zero(b[8:12]) {
		return nil, wrong(ErrHeader, "its reserved bytes are not zero")
	}
	n := binary.LittleEndian.Uint32(b[12:])
	if n%16 != 0 || n < DescriptorSize || n > uint32(d.Size-headerSize-trailerSize) {
		return nil, wrong(ErrHeader, "an irom part of %d bytes in an image of %d", n, d.Size)
	}
	body := b[:d.Size-trailerSize]
	standard, end, err := parseStandard(body, headerSize+int(n))
	if err != nil {
		return nil, err
	}
	if end != len(body) {
		return nil, wrong(ErrTrailingData, "%d bytes between checksum and trailer", len(body)-end)
	}
	if !bytes.Equal(b[2:8], b[headerSize+n+2:headerSize+n+8]) {
		return nil, wrong(ErrHeader, "the two headers differ in flash mode, size or entry address")
	}
	if standard.Entry == 0 {
		return nil, errEntry
	}
	for _, segment := range standard.Segments {
		if err := checkRAM(segment); err != nil {
			return nil, err
		}
	}
	return &Image{d, *standard, b[headerSize : headerSize+n], trailer}, nil
}

// ParseSlot reads the image in a slot, given the slot's content. It returns
// [ErrErased] if there is nothing, and [ErrSlot] if the image is for the other
// slot.
func ParseSlot(content []byte, slot int) (*Image, error) {
	if erased(content) {
		return nil, ErrErased
	}
	d, err := peek(content)
	if err != nil {
		return nil, err
	}
	if d.Slot != slot {
		return nil, wrong(ErrSlot, "an image for slot %d in slot %d", d.Slot, slot)
	}
	return Parse(content[:min(d.Size, len(content))])
}

// peek reads the descriptor of the image at the start of b.
func peek(b []byte) (Descriptor, error) {
	if len(b) < minImageSize {
		return Descriptor{}, wrong(ErrTruncated, "%d bytes are too few for an image", len(b))
	}
	if b[0] != slotMagic || b[1] != slotMagic2 {
		return Descriptor{}, wrong(ErrMagic, "%#02x %#02x where an image should begin with %#02x %#02x",
			b[0], b[1], slotMagic, slotMagic2)
	}
	return ParseDescriptor(b[headerSize:])
}

// checkRAM returns an error for a segment that would overwrite the bootloader
// that loads it, or that is not in RAM.
func checkRAM(s Segment) error {
	from, to := uint64(s.Addr), uint64(s.Addr)+uint64(len(s.Data)+-len(s.Data)&3)
	if from >= DRAMStart && to <= DRAMEnd || from >= IRAMStart && to <= IRAMEnd {
		return nil
	}
	return wrong(ErrSegment, "%d bytes to %#08x, outside the RAM for firmware", len(s.Data), s.Addr)
}

// erased tells whether all bytes are 0xFF.
func erased(b []byte) bool {
	return len(bytes.TrimLeft(b, "\xFF")) == 0
}
