// Package delta makes a release's image for one slot out of the image that a device runs in the other
// (docs/SPEC.md, section 6.1).
//
// The running image is first relocated, word by word, into the target's slot: what comes out is the
// image that the running release has there. From then on old and new are images for the same slot. The
// target is coded as edits of the old image (C. Percival, Naive differences of executable code, 2003).
// Addresses that moved because something before them grew are predicted: a table says by how much
// addresses from some place on have moved, and it is applied to words that are addresses and to the
// instructions l32r, call0 and j. What remains is coded by an adaptive binary range coder.
package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"esper/internal/image"
)

// The reasons why a delta makes nothing. Errors wrap one of them.
var (
	ErrMalformed = errors.New("malformed delta")
	ErrSource    = errors.New("a delta from another image")
)

// HeaderSize is the size of a delta's header in bytes.
const HeaderSize = 20

const (
	magic = 0x64505345 // "ESPd"

	trailerSize = 32
)

// Header says what a delta is for.
type Header struct {
	Source   [8]byte // the beginning of the source image's trailer
	Size     int     // of the target image in bytes
	Sequence uint32  // of the target
}

// ParseHeader reads the header at the start of a delta. The error is an [ErrMalformed].
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d bytes are too few", ErrMalformed, len(b))
	}
	if found := binary.LittleEndian.Uint32(b); found != magic {
		return Header{}, fmt.Errorf("%w: it begins with %#08x", ErrMalformed, found)
	}
	size := binary.LittleEndian.Uint32(b[12:])
	if size > image.SlotSize || size < image.DescriptorAt+image.DescriptorSize+trailerSize || size%16 != 0 {
		return Header{}, fmt.Errorf("%w: it makes an image of %d bytes", ErrMalformed, size)
	}
	h := Header{Size: int(size), Sequence: binary.LittleEndian.Uint32(b[16:])}
	copy(h.Source[:], b[4:])
	return h, nil
}

// Usable reports whether a device that runs the image can use deltas: it needs the image's relocation list.
func Usable(source []byte) bool {
	_, err := image.Relocated(source)
	return err == nil
}

// Worthwhile reports whether a delta is so much smaller than its target that it is published.
func Worthwhile(delta, target []byte) bool { return 2*len(delta) <= len(target) }

// Make returns the delta by which a device that runs source, an image for one slot, makes target, an
// image for the other. The same images always give the same delta. An error says that one of them is
// no image, that they are for the same slot, or that source has no relocation list
// ([image.ErrNoRelocations]).
func Make(source, target []byte) ([]byte, error) {
	s, err := image.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	t, err := image.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	if s.Descriptor.Slot == t.Descriptor.Slot {
		return nil, fmt.Errorf("both images are for slot %d", s.Descriptor.Slot)
	}
	old, err := relocated(source)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = append(b, s.Trailer[:8]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(target)))
	b = binary.LittleEndian.AppendUint32(b, t.Descriptor.Sequence)
	return append(b, encode(old, target, image.SlotAddress(t.Descriptor.Slot))...), nil
}

// Apply returns the image that a delta makes out of the image that runs. It is an [ErrSource] if the delta
// is not from this image, and an [ErrMalformed] if the delta is damaged; but a damaged delta may also
// give a damaged image.
func Apply(source, delta []byte) ([]byte, error) {
	h, err := ParseHeader(delta)
	if err != nil {
		return nil, err
	}
	s, err := image.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	if !bytes.Equal(h.Source[:], s.Trailer[:8]) {
		return nil, fmt.Errorf("%w: of SHA-256 %x…, not %x…", ErrSource, h.Source, s.Trailer[:8])
	}
	old, err := relocated(source)
	if err != nil {
		return nil, err
	}
	return decode(old, delta[HeaderSize:], h.Size, image.SlotAddress(1-s.Descriptor.Slot))
}

// relocated returns the source as the decoder reads it: the image for the other slot, without its trailer.
func relocated(source []byte) ([]byte, error) {
	b, err := image.Relocated(source)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	return b[:len(b)-trailerSize], nil
}
