package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// ErrNoRelocations says that an image does not say how to make the other slot's image of it.
var ErrNoRelocations = errors.New("an image without a relocation list")

// RelocationRoom is how many bytes of zeros the irom part must end with for [Relate] to write the
// relocation list there.
const RelocationRoom = 256

const (
	// slotDistance is by how much an address in a slot differs from the same place in the other slot:
	// by this one bit.
	slotDistance = Slot1Address - Slot0Address
	// maxKept is how many words fit there, beside the first.
	maxKept = RelocationRoom/4 - 1
)

// inASlot reports whether a word looks like an address in one of the slots.
func inASlot(w uint32) bool {
	return w&^slotDistance-(MappedFlash+Slot0Address) < SlotSize
}

// Relate writes the relocation list into both images of a firmware, so that each can be made of the
// other (SPEC 2.4). Images that differ in more than their addresses, or have no room for the list,
// stay as they are.
func Relate(a, b []byte) {
	list, ok := relocations(a, b)
	if !ok {
		return
	}
	for _, image := range [][]byte{a, b} {
		offset := headerSize + binary.LittleEndian.Uint32(image[12:]) - RelocationRoom
		binary.LittleEndian.PutUint32(image[headerSize+offsetRelocations:], offset)
		for i, w := range list {
			binary.LittleEndian.PutUint32(image[int(offset)+4*i:], w)
		}
		seal(image)
	}
}

// relocations returns the relocation list of two images that have none yet.
func relocations(a, b []byte) (list []uint32, ok bool) {
	if len(a) != len(b) || len(a) < minImageSize || binary.LittleEndian.Uint32(a[12:]) != binary.LittleEndian.Uint32(b[12:]) {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint32(a[12:]))
	checksum := len(a) - trailerSize - 1
	if n < DescriptorSize+RelocationRoom || headerSize+n > checksum || !zero(a[headerSize+n-RelocationRoom:headerSize+n]) {
		return nil, false
	}
	list = []uint32{uint32(a[checksum]^b[checksum]) << 16}
	for i := 0; i < len(a)-trailerSize; i += 4 {
		v, w := binary.LittleEndian.Uint32(a[i:]), binary.LittleEndian.Uint32(b[i:])
		switch {
		case i == headerSize+offsetSlot:
			// The slot is known.
		case i == checksum-3:
			// The checksum of the RAM segments, behind three zeros.
		case inASlot(v) && v == w:
			list = append(list, uint32(i))
		case inASlot(v) && v^slotDistance == w:
		case v != w:
			return nil, false
		}
	}
	list[0] |= uint32(len(list) - 1)
	return list, len(list)-1 <= maxKept
}

// seal writes the trailer.
func seal(image []byte) {
	trailer := sha256.Sum256(image[:len(image)-trailerSize])
	copy(image[len(image)-trailerSize:], trailer[:])
}

// Relocated returns the other slot's image of the same firmware, or [ErrNoRelocations].
func Relocated(b []byte) ([]byte, error) {
	d, err := peek(b)
	if err != nil {
		return nil, err
	}
	if len(b) != d.Size {
		return nil, wrong(ErrTruncated, "%d bytes of %d", len(b), d.Size)
	}
	if d.Relocations == 0 {
		return nil, ErrNoRelocations
	}
	first := binary.LittleEndian.Uint32(b[d.Relocations:])
	count := int(first & 0xFFFF)
	if count > maxKept || first>>24 != 0 {
		return nil, wrong(ErrDescriptor, "a relocation list that begins with %#08x", first)
	}
	out := bytes.Clone(b)
	kept := make(map[uint32]bool, count)
	for i := range count {
		kept[binary.LittleEndian.Uint32(b[d.Relocations+4+4*i:])] = true
	}
	for i := 0; i < d.Size-trailerSize; i += 4 {
		if w := binary.LittleEndian.Uint32(b[i:]); inASlot(w) && !kept[uint32(i)] {
			binary.LittleEndian.PutUint32(out[i:], w^slotDistance)
		}
	}
	out[headerSize+offsetSlot] ^= 1
	out[d.Size-trailerSize-1] ^= byte(first >> 16)
	seal(out)
	return out, nil
}
