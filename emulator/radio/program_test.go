package radio

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

func TestAnImageSaysWhereTheSeamIs(t *testing.T) {
	for _, name := range needed() {
		if !slices.Contains(names, name) {
			t.Errorf("firmware/link/seam.S does not say where %s is", name)
		}
	}
}

// chipImage is the beginning of an image of the chip's link, with an address for each name.
func chipImage(count int) []byte {
	b := make([]byte, 2*sector)
	b[0] = 0xEA
	binary.LittleEndian.PutUint32(b[descriptorAt:], descriptorMagic)
	binary.LittleEndian.PutUint32(b[linkAt:], chipLink)
	binary.LittleEndian.PutUint32(b[seamAt:], uint32(count))
	for i := range count {
		binary.LittleEndian.PutUint32(b[seamAt+4+4*i:], mappedFlash+uint32(16*i)+0x1000)
	}
	return b
}

func TestAnImageIsRunIfItSaysAllThatIsNeeded(t *testing.T) {
	whole := chipImage(len(names))
	if err := Check(whole); err != nil {
		t.Error(err)
	}
	if err := Check(chipImage(len(names) + 3)); err != nil { // of a newer ESPer
		t.Error(err)
	}
	flash := append(make([]byte, 2*sector), whole...)
	if found, err := find(flash); err != nil || len(found) != 1 || found[0].at != 2*sector ||
		found[0].address[names[1]] != mappedFlash+0x1010 || !Needed(flash) {
		t.Errorf("%+v, %v", found, err)
	}
	missing, inRAM, unmarked := chipImage(len(names)), chipImage(len(names)), chipImage(len(names))
	binary.LittleEndian.PutUint32(missing[seamAt+4:], 0)
	binary.LittleEndian.PutUint32(inRAM[seamAt+4:], 0x40100000)
	unmarked[linkAt] = 0
	for what, b := range map[string][]byte{
		"one is missing": missing, "one in RAM": inRAM, "unmarked": unmarked,
		"one too few": chipImage(len(names) - 1), "none": chipImage(0), "cut off": whole[:seamAt+8], "nothing": nil,
	} {
		if err := Check(b); !errors.Is(err, ErrNoSeam) {
			t.Errorf("%s: %v", what, err)
		}
		if found, _ := find(b); len(found) > 0 {
			t.Errorf("%s: it is run", what)
		}
	}
}
