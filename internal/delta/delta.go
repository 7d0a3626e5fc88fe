// Package delta makes a release's image for one slot from the image that a device runs in
// the other (docs/SPEC.md, section 6.1).
package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The reasons why a delta makes nothing. Errors wrap one of them.
var (
	ErrMalformed = errors.New("malformed delta")
	ErrSource    = errors.New("a delta from another image")
)

// HeaderSize is the size of a delta's header in bytes.
const HeaderSize = 20

const magic = 0x64505345 // "ESPd"

// Header says what a delta is for.
type Header struct {
	Source   [8]byte // the beginning of the source image's trailer
	Size     int     // of the target image in bytes
	Sequence uint32  // of the target
}

// ParseHeader reads the header at the start of b.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || binary.LittleEndian.Uint32(b) != magic {
		return Header{}, ErrMalformed
	}
	h := Header{Size: int(binary.LittleEndian.Uint32(b[12:])), Sequence: binary.LittleEndian.Uint32(b[16:])}
	copy(h.Source[:], b[4:])
	return h, nil
}

// Usable reports whether a device that runs the image knows deltas.
func Usable(source []byte) bool { return true }

// Make returns the delta from the image that runs to that of the other slot. STUB.
func Make(source, target []byte) ([]byte, error) {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = append(b, source[len(source)-32:][:8]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(target)))
	b = binary.LittleEndian.AppendUint32(b, binary.LittleEndian.Uint32(target[16+76:]))
	return append(b, target...), nil
}

// Apply returns the target. STUB.
func Apply(source, delta []byte) ([]byte, error) {
	h, err := ParseHeader(delta)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(h.Source[:], source[len(source)-32:][:8]) {
		return nil, ErrSource
	}
	return delta[HeaderSize:], nil
}
