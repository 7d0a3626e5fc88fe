package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Link is what an image is linked for, and so what can run it (SPEC 9).
type Link uint32

// The links, as they stand in a descriptor.
const (
	LinkUnmarked Link = 0 // an image from before the mark
	LinkEmulator Link = 1
	LinkChip     Link = 2
)

// String returns the link's name.
func (l Link) String() string {
	switch l {
	case LinkUnmarked:
		return "unmarked"
	case LinkEmulator:
		return "emulator"
	case LinkChip:
		return "chip"
	}
	return fmt.Sprintf("link %d", uint32(l))
}

// emulatorStart is the gate that the entry of each image of the emulator's link jumps to, so its
// address lies in the image as a word.
const emulatorStart = 0x40080010

// Link returns what the image is linked for: what its descriptor says, or for an image from before
// the mark what its entry jumps to.
func (i *Image) Link() Link {
	if i.Descriptor.Link != LinkUnmarked {
		return i.Descriptor.Link
	}
	start := binary.LittleEndian.AppendUint32(nil, emulatorStart)
	for _, s := range i.Segments {
		if bytes.Contains(s.Data, start) {
			return LinkEmulator
		}
	}
	return LinkChip
}
