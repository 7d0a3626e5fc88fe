package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// RefusalSize is the size of a refusal in bytes. They lie behind the boot
// configuration, in its sector, from this offset on.
const RefusalSize = 64

const refusalMagic = 0x4B425245 // "ERBK"

// Refusal names a release that was rolled back and is not tried again (SPEC 3).
type Refusal struct {
	Version  string
	Sequence uint32
	Reason   string // crashed, hung or not-confirmed
}

var refusalReasons = []string{1: "crashed", 2: "hung", 3: "not-confirmed"}

// ParseRefusals reads the refusals in the boot configuration's sector. Those that
// are damaged or struck out are left out.
func ParseRefusals(sector []byte) []Refusal {
	var found []Refusal
	for at := RefusalSize; at+RefusalSize <= min(len(sector), SectorSize); at += RefusalSize {
		b := sector[at : at+RefusalSize]
		if erased(b) {
			break
		}
		if r, ok := parseRefusal(b); ok {
			found = append(found, r)
		}
	}
	return found
}

func parseRefusal(b []byte) (Refusal, bool) {
	digest := sha256.Sum256(b[:60])
	if binary.LittleEndian.Uint32(b) != refusalMagic || !bytes.Equal(digest[:4], b[60:]) {
		return Refusal{}, false
	}
	version, ok := unpad(b[8:44])
	why := binary.LittleEndian.Uint32(b[44:])
	if !ok || CheckVersion(version) != nil || why < 1 || why >= uint32(len(refusalReasons)) {
		return Refusal{}, false
	}
	return Refusal{version, binary.LittleEndian.Uint32(b[4:]), refusalReasons[why]}, true
}
