package settings

import (
	"encoding/binary"

	"esper/internal/image"
)

// persistedHeader is what an entry of the journal has before a value: its version, and 0.
const persistedHeader = 4

// ReadJournal returns the record that counts in a journal's two sectors, the values that device
// code keeps (docs/SPEC.md, 12.7). It returns an [ErrMalformed] if there is none, or if its entries
// break a rule.
func ReadJournal(journal []byte) (Record, error) {
	if len(journal) != image.StoreSize {
		return Record{}, malformed("a journal of %d bytes, not %d", len(journal), image.StoreSize)
	}
	var counts Record
	err := malformed("no record in the journal")
	found := false
	for sector := range 2 {
		rest := journal[sector*image.SectorSize:][:image.SectorSize]
		for {
			generation, size, digestErr := parseHeader(rest)
			if digestErr != nil {
				break
			}
			if !found || generation > counts.Generation {
				found = true
				counts, err = ParseRecord(rest)
				counts.Generation = generation
			}
			rest = rest[recordSpace(size):]
		}
	}
	return counts, err
}

// recordSpace returns how many bytes a record takes in a journal, for a size of its entries.
func recordSpace(size int) int { return (recordHeader + size + digestSize + 3) &^ 3 }

// Persisted returns the version and the bytes of a value that device code keeps; false if the entry
// is none.
func (e Entry) Persisted() (version uint16, value []byte, ok bool) {
	if e.Type != Bytes || len(e.Value) <= persistedHeader {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint16(e.Value), e.Value[persistedHeader:], true
}

// OfPersisted returns an entry of a value that device code keeps.
func OfPersisted(name string, version uint16, value []byte) Entry {
	b := binary.LittleEndian.AppendUint16(nil, version)
	return Entry{name, Bytes, append(append(b, 0, 0), value...)}
}
