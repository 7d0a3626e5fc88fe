package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"esper/internal/image"
)

const (
	recordMagic  = 0x73505345 // "ESPs"
	recordFormat = 1
	recordHeader = 16
	digestSize   = sha256.Size
)

// Record is what a sector of a store holds.
type Record struct {
	Generation uint32
	Entries    Entries
}

// Marshal returns the record's bytes. It returns an [ErrMalformed] if the entries break a rule.
func (r Record) Marshal() ([]byte, error) {
	entries, err := r.Entries.Marshal()
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(r.Entries, Entry.Removes); i >= 0 { // in a record, nothing is removed
		return nil, malformed("%s has no value", r.Entries[i].Name)
	}
	b := binary.LittleEndian.AppendUint32(nil, recordMagic)
	b = binary.LittleEndian.AppendUint32(b, recordFormat)
	b = binary.LittleEndian.AppendUint32(b, r.Generation)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	b = append(b, entries...)
	digest := sha256.Sum256(b)
	return append(b, digest[:]...), nil
}

// ParseRecord reads the record at the start of a sector. Every error is an [ErrMalformed].
func ParseRecord(sector []byte) (Record, error) {
	generation, size, err := parseHeader(sector)
	if err != nil {
		return Record{}, err
	}
	entries, err := Parse(sector[recordHeader:][:size])
	if err != nil {
		return Record{}, err
	}
	return Record{generation, entries}, nil
}

// parseHeader returns the generation of the record at the start of a sector and the size of its
// entries in bytes, if its digest is right.
func parseHeader(sector []byte) (generation uint32, size int, err error) {
	if len(sector) < recordHeader+digestSize {
		return 0, 0, malformed("%d bytes are too few for a record", len(sector))
	}
	if magic := binary.LittleEndian.Uint32(sector); magic != recordMagic {
		return 0, 0, malformed("%#08x where a record begins with %#08x", magic, uint32(recordMagic))
	}
	if format := binary.LittleEndian.Uint32(sector[4:]); format != recordFormat {
		return 0, 0, malformed("a record of the unknown format %d", format)
	}
	n := binary.LittleEndian.Uint32(sector[12:])
	if n > MaxEntries || recordHeader+int(n)+digestSize > len(sector) {
		return 0, 0, malformed("a record with %d bytes of entries, which do not fit", n)
	}
	end := recordHeader + int(n)
	if digest := sha256.Sum256(sector[:end]); !bytes.Equal(digest[:], sector[end:][:digestSize]) {
		return 0, 0, malformed("the record's hash does not match: it is damaged")
	}
	return binary.LittleEndian.Uint32(sector[8:]), int(n), nil
}

// Sequences returns the sequences of the releases that the record's settings are from.
func (r Record) Sequences() Sequences {
	return Sequences{r.Entries.sequence(SequenceName), r.Entries.sequence(DeviceSequenceName)}
}

// Store returns the bytes of a store in flash, with the record in both sectors.
func (r Record) Store() ([]byte, error) {
	b, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	sector := append(b, bytes.Repeat([]byte{0xFF}, image.SectorSize-len(b))...)
	return append(sector, sector...), nil
}

// ReadStore returns the record that counts in a store's two sectors. It returns an [ErrMalformed]
// if neither holds a valid one.
func ReadStore(store []byte) (Record, error) {
	if len(store) != image.StoreSize {
		return Record{}, malformed("a store of %d bytes, not %d", len(store), image.StoreSize)
	}
	first, firstErr := ParseRecord(store[:image.SectorSize])
	second, secondErr := ParseRecord(store[image.SectorSize:])
	switch {
	case firstErr != nil && secondErr != nil:
		return Record{}, fmt.Errorf("no valid record: %w, and %w", firstErr, secondErr)
	case firstErr != nil, secondErr == nil && second.Generation > first.Generation:
		return second, nil
	}
	return first, nil
}
