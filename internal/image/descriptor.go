package image

import (
	"bytes"
	"encoding/binary"
)

// DescriptorSize is the size of a descriptor in bytes.
const DescriptorSize = 96

// The descriptor's fields (SPEC 2.3).
const (
	descriptorMagic  = 0x72505345 // "ESPr"
	descriptorFormat = 1

	offsetType        = 8
	offsetVersion     = 40
	offsetSequence    = 76
	offsetSlot        = 80
	offsetSize        = 84
	offsetLink        = 88
	offsetRelocations = 92
)

// Longest device type and version in characters.
const (
	MaxDeviceType = 31
	MaxVersion    = 32
)

// Descriptor says what an image is (SPEC 2.3).
type Descriptor struct {
	DeviceType string
	Version    string
	Sequence   uint32
	Slot       int
	Size       int // of the whole image in bytes, with trailer
	Link       Link

	// Relocations is where the relocation list lies, in bytes from the start of the image (SPEC 2.4); 0: there
	// is none.
	Relocations int
}

// CheckDeviceType returns nil for a valid name of a device type, else an
// [ErrDeviceType].
func CheckDeviceType(name string) error {
	switch {
	case name == "":
		return wrong(ErrDeviceType, "empty")
	case len(name) > MaxDeviceType:
		return wrong(ErrDeviceType, "%.40q is longer than %d characters", name, MaxDeviceType)
	case name[0] < 'a' || name[0] > 'z':
		return wrong(ErrDeviceType, "%q does not begin with a letter a-z", name)
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return wrong(ErrDeviceType, "%q has characters other than a-z, 0-9 and -", name)
		}
	}
	return nil
}

// CheckVersion returns nil for a valid version, else an [ErrVersion].
func CheckVersion(version string) error {
	switch {
	case version == "":
		return wrong(ErrVersion, "empty")
	case len(version) > MaxVersion:
		return wrong(ErrVersion, "%.40q is longer than %d characters", version, MaxVersion)
	}
	for _, c := range []byte(version) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && !(c >= '0' && c <= '9') && !bytes.ContainsRune([]byte("._+-"), rune(c)) {
			return wrong(ErrVersion, "%q has characters other than A-Z, a-z, 0-9 and ._+-", version)
		}
	}
	return nil
}

// Check returns nil when every field may stand in a descriptor.
func (d Descriptor) Check() error {
	if err := CheckDeviceType(d.DeviceType); err != nil {
		return err
	}
	if err := CheckVersion(d.Version); err != nil {
		return err
	}
	if d.Slot != 0 && d.Slot != 1 {
		return wrong(ErrSlot, "%d is neither 0 nor 1", d.Slot)
	}
	if d.Size > SlotSize {
		return &TooLargeError{"image", d.Size, SlotSize}
	}
	if d.Size < minImageSize || d.Size%16 != 0 {
		return wrong(ErrSize, "an image cannot have %d bytes", d.Size)
	}
	if d.Link > LinkChip {
		return wrong(ErrDescriptor, "its link is %d, but there are 0 to %d", d.Link, LinkChip)
	}
	if r := d.Relocations; r != 0 && (r%4 != 0 || r < headerSize+DescriptorSize || r > d.Size-trailerSize-RelocationRoom) {
		return wrong(ErrDescriptor, "its relocation list lies at %d of %d bytes", r, d.Size)
	}
	return nil
}

// Marshal returns the descriptor's bytes, or what [Descriptor.Check] says.
func (d Descriptor) Marshal() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	b := make([]byte, DescriptorSize)
	binary.LittleEndian.PutUint32(b, descriptorMagic)
	binary.LittleEndian.PutUint32(b[4:], descriptorFormat)
	copy(b[offsetType:], d.DeviceType)
	copy(b[offsetVersion:], d.Version)
	binary.LittleEndian.PutUint32(b[offsetSequence:], d.Sequence)
	binary.LittleEndian.PutUint32(b[offsetSlot:], uint32(d.Slot))
	binary.LittleEndian.PutUint32(b[offsetSize:], uint32(d.Size))
	binary.LittleEndian.PutUint32(b[offsetLink:], uint32(d.Link))
	binary.LittleEndian.PutUint32(b[offsetRelocations:], uint32(d.Relocations))
	return b, nil
}

// ParseDescriptor reads the descriptor at the start of b.
func ParseDescriptor(b []byte) (Descriptor, error) {
	var d Descriptor
	if len(b) < DescriptorSize {
		return d, wrong(ErrTruncated, "no room for a descriptor")
	}
	if magic := binary.LittleEndian.Uint32(b); magic != descriptorMagic {
		return d, wrong(ErrMagic, "%#08x where the descriptor should begin with %#08x",
			magic, descriptorMagic)
	}
	if format := binary.LittleEndian.Uint32(b[4:]); format != descriptorFormat {
		return d, wrong(ErrFormat, "%d in the descriptor", format)
	}
	name, ok := unpad(b[offsetType:offsetVersion])
	if !ok {
		return d, wrong(ErrDeviceType, "not padded with zeros")
	}
	version, ok := unpad(b[offsetVersion:offsetSequence])
	if !ok {
		return d, wrong(ErrVersion, "not padded with zeros")
	}
	slot := binary.LittleEndian.Uint32(b[offsetSlot:])
	if slot >= Slots {
		return d, wrong(ErrSlot, "%d is neither 0 nor 1", slot)
	}
	size := binary.LittleEndian.Uint32(b[offsetSize:])
	if size > SlotSize {
		return d, &TooLargeError{"image", int(size), SlotSize}
	}
	relocations := binary.LittleEndian.Uint32(b[offsetRelocations:])
	if relocations > SlotSize {
		return d, wrong(ErrDescriptor, "its relocation list lies at %d", relocations)
	}
	d = Descriptor{
		DeviceType: name,
		Version:    version,
		Sequence:   binary.LittleEndian.Uint32(b[offsetSequence:]),
		Slot:       int(slot),
		Size:       int(size),
		Link:       Link(binary.LittleEndian.Uint32(b[offsetLink:])),

		Relocations: int(relocations),
	}
	return d, d.Check()
}

// unpad returns the characters before the zeros that fill the field, of which
// there must be at least one.
func unpad(field []byte) (string, bool) {
	text, padding, found := bytes.Cut(field, []byte{0})
	return string(text), found && zero(padding)
}

// zero tells whether all bytes are 0.
func zero(b []byte) bool {
	return len(bytes.TrimLeft(b, "\x00")) == 0
}
