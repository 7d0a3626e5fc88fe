// Package testcoder has a coder of deltas for tests of what is done with deltas, not of their coding.
package testcoder

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"

	"esper/internal/delta"
	"esper/internal/image"
)

// trailer is the size of an image's trailer in bytes.
const trailer = 32

// Coder makes deltas of any images, however small, also of those that no device would apply a delta
// to. They have the header of a delta; the body is its own.
type Coder struct{}

// Usable reports true.
func (Coder) Usable([]byte) bool { return true }

// Make returns a delta.
func (Coder) Make(source, target []byte) ([]byte, error) {
	parsed, err := image.Parse(target)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("ESPd")
	b.Write(source[len(source)-trailer:][:8])
	for _, word := range []uint32{uint32(len(target)), parsed.Descriptor.Sequence} {
		b.Write(binary.LittleEndian.AppendUint32(nil, word))
	}
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(difference(source, target)); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Apply returns the target.
func (Coder) Apply(source, d []byte) ([]byte, error) {
	header, err := delta.ParseHeader(d)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(header.Source[:], source[len(source)-trailer:][:8]) {
		return nil, delta.ErrSource
	}
	body, err := io.ReadAll(flate.NewReader(bytes.NewReader(d[delta.HeaderSize:])))
	if err != nil || len(body) != header.Size {
		return nil, fmt.Errorf("%w: %d bytes, %v", delta.ErrMalformed, len(body), err)
	}
	return difference(source, body), nil
}

// difference returns the bytes of b, each XORed with that of a at its place.
func difference(a, b []byte) []byte {
	c := bytes.Clone(b)
	for i := range min(len(a), len(c)) {
		c[i] ^= a[i]
	}
	return c
}
