package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// related returns the images of one firmware for both slots: words that are addresses, words that only
// look like them, and others.
func related(t *testing.T, random *rand.Rand, lookalikes int) (images [Slots][]byte) {
	t.Helper()
	irom := append(emptyDescriptor(t), make([]byte, 4000+RelocationRoom)...)
	ram := make([]byte, 400)
	type word struct {
		in []byte
		at int
	}
	var addresses []word
	for i := DescriptorSize; i < len(irom)-RelocationRoom; i += 4 {
		binary.LittleEndian.PutUint32(irom[i:], random.Uint32()&^(1<<30)) // below any flash address
		if random.IntN(10) == 0 {
			addresses = append(addresses, word{irom, i})
		}
	}
	for range lookalikes {
		at := DescriptorSize + 4*random.IntN(1000)
		w := IROMAddress(random.IntN(Slots)) + uint32(random.IntN(0x70000))
		binary.LittleEndian.PutUint32(irom[at:], w)
		addresses = func() (rest []word) {
			for _, a := range addresses {
				if a.at != at {
					rest = append(rest, a)
				}
			}
			return rest
		}()
	}
	for i := 0; i < len(ram); i += 8 {
		addresses = append(addresses, word{ram, i})
	}
	targets := make([]uint32, len(addresses))
	for i := range targets {
		targets[i] = uint32(random.IntN(SlotSize - headerSize))
	}
	for slot := range images {
		for i, a := range addresses {
			binary.LittleEndian.PutUint32(a.in[a.at:], IROMAddress(slot)+targets[i])
		}
		b, err := Pack(Input{
			Entry: 0x40100004, IROM: bytes.Clone(irom), Slot: slot, Link: LinkChip, FlashMode: FlashDOUT, FlashSizeFreq: Flash1MB40MHz,
			Segments: []Segment{{0x40100000, bytes.Clone(ram[:200])}, {0x3FFE8000, bytes.Clone(ram[200:])}},
		})
		if err != nil {
			t.Fatal(err)
		}
		images[slot] = b
	}
	return images
}

// emptyDescriptor returns the bytes of a descriptor that Pack completes.
func emptyDescriptor(t *testing.T) []byte {
	t.Helper()
	b, err := Descriptor{DeviceType: "socket", Version: "1", Sequence: 1, Size: 0x1000}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEachImageMakesTheOther(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		images := related(t, random, random.IntN(60))
		Relate(images[0], images[1])
		for slot := range images {
			if _, err := ParseSlot(images[slot], slot); err != nil {
				t.Fatal(err)
			}
			other, err := Relocated(images[slot])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(other, images[1-slot]) {
				t.Fatalf("the image for slot %d does not give the other", slot)
			}
		}
	}
}

func TestImagesThatCannotBeRelatedStayAsTheyAre(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	tests := map[string]func(images *[Slots][]byte){
		"too many words that only look like addresses": func(images *[Slots][]byte) { *images = related(t, random, 300) },
		"another word":   func(images *[Slots][]byte) { images[1][0x200] ^= 1 },
		"other lengths":  func(images *[Slots][]byte) { images[1] = images[1][:len(images[1])-16] },
		"no room":        func(images *[Slots][]byte) { images[0][binary.LittleEndian.Uint32(images[0][12:])] = 1 },
		"something else": func(images *[Slots][]byte) { images[0] = nil },
	}
	for name, change := range tests {
		images := related(t, random, 3)
		change(&images)
		before := [Slots][]byte{bytes.Clone(images[0]), bytes.Clone(images[1])}
		Relate(images[0], images[1])
		for slot := range images {
			if !bytes.Equal(images[slot], before[slot]) {
				t.Errorf("%s: the image for slot %d was changed", name, slot)
			}
		}
		if _, err := Relocated(before[1]); name != "other lengths" && !errors.Is(err, ErrNoRelocations) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADamagedRelocationListIsAnError(t *testing.T) {
	images := related(t, rand.New(rand.NewPCG(5, 6)), 3)
	Relate(images[0], images[1])
	d, err := peek(images[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []uint32{64, 0xFFFF, 1 << 24} {
		b := bytes.Clone(images[0])
		binary.LittleEndian.PutUint32(b[d.Relocations:], first)
		if _, err := Relocated(b); !errors.Is(err, ErrDescriptor) {
			t.Errorf("first word %#x: %v", first, err)
		}
	}
	for _, b := range [][]byte{nil, images[0][:100], images[0][:len(images[0])-16], append(bytes.Clone(images[0]), 0)} {
		if _, err := Relocated(b); err == nil {
			t.Errorf("%d bytes were taken for an image", len(b))
		}
	}
}
