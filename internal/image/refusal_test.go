package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"testing"
)

// refusal makes one by hand, as SPEC 3 says.
func refusal(version string, sequence, why uint32) []byte {
	b := make([]byte, 64)
	copy(b, "ERBK")
	binary.LittleEndian.PutUint32(b[4:], sequence)
	copy(b[8:44], version)
	binary.LittleEndian.PutUint32(b[44:], why)
	digest := sha256.Sum256(b[:60])
	copy(b[60:], digest[:4])
	return b
}

func sectorWith(refusals ...[]byte) []byte {
	b := bytes.Repeat([]byte{0xFF}, SectorSize)
	copy(b, BootConfiguration{}.Marshal())
	for i, r := range refusals {
		copy(b[64*(i+1):], r)
	}
	return b
}

func TestRefusalsAreReadUntilAnErasedPlace(t *testing.T) {
	struckOut := refusal("v3", 3, 1)
	copy(struckOut, []byte{0, 0, 0, 0})
	cutOff := bytes.Repeat([]byte{0xFF}, 64)
	copy(cutOff, refusal("v4", 4, 1)[:20])
	for name, c := range map[string]struct {
		sector []byte
		want   []Refusal
	}{
		"none":                           {sectorWith(), nil},
		"two":                            {sectorWith(refusal("v2", 2, 1), refusal("v5", 5, 3)), []Refusal{{"v2", 2, "crashed"}, {"v5", 5, "not-confirmed"}}},
		"behind those that do not count": {sectorWith(struckOut, cutOff, refusal("v5", 5, 2)), []Refusal{{"v5", 5, "hung"}}},
		"behind an erased place":         {sectorWith(bytes.Repeat([]byte{0xFF}, 64), refusal("v5", 5, 2)), nil},
		"of an unknown reason":           {sectorWith(refusal("v5", 5, 4), refusal("v5", 5, 0)), nil},
		"of no version":                  {sectorWith(refusal("", 5, 1), refusal("a b", 5, 1)), nil},
		"too short":                      {sectorWith(refusal("v2", 2, 1))[:127], nil},
	} {
		if got := ParseRefusals(c.sector); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
}

func TestThereIsRoomFor63Refusals(t *testing.T) {
	var all [][]byte
	for i := range uint32(63) {
		all = append(all, refusal("v", i, 1))
	}
	if got := ParseRefusals(sectorWith(all...)); len(got) != 63 || got[62].Sequence != 62 {
		t.Errorf("%d read", len(got))
	}
}

func TestARefusalWithAFlippedBitDoesNotCount(t *testing.T) {
	for bit := range 512 {
		b := refusal("8a1b2c3d", 42, 2)
		b[bit/8] ^= 1 << (bit % 8)
		if got := ParseRefusals(sectorWith(b)); len(got) != 0 {
			t.Errorf("bit %d: %+v", bit, got)
		}
	}
}
