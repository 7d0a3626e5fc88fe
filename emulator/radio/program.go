package radio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"esper/emulator/esp8266"
	"esper/firmware"
)

// Program is an image of the chip's link in flash, as far as the seam is concerned.
type Program struct {
	at      uint32            // where the image begins in flash
	address map[string]uint32 // of what the seam names, as the image says
}

// ErrNoSeam says that an image of the chip's link does not say where a function is that this
// emulator answers.
var ErrNoSeam = errors.New("it does not say where the vendor's functions are that need a radio")

// The descriptor of an image, behind its header, and what follows in one of the chip's link
// (docs/SPEC.md, sections 2.3 and 9).
const (
	descriptorAt    = 0x10
	descriptorMagic = 0x72505345
	linkAt          = descriptorAt + 88
	chipLink        = 2
	seamAt          = descriptorAt + 96
)

// mappedFlash is where flash address 0 is seen.
const mappedFlash = 0x40200000

// names are the places of the seam in an image, in order.
var names []string

func init() {
	all, err := readNames()
	if err != nil {
		panic(err) // the file is part of this program
	}
	names = all
}

// readNames reads the places of the seam from the source that puts them into an image.
func readNames() ([]string, error) {
	source, err := firmware.Files.ReadFile("link/seam.S")
	if err != nil {
		return nil, err
	}
	var names []string
	lines := bufio.NewScanner(bytes.NewReader(source))
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "    seam "); ok {
			names = append(names, name)
		}
	}
	return names, lines.Err()
}

// needed are the names of all that the seam hooks, calls or reads.
func needed() []string { return slices.AppendSeq(slices.Clone(called), maps.Keys(seam)) }

// isChip reports whether an image of the chip's link begins at the start of b.
func isChip(b []byte) bool {
	return len(b) >= seamAt+4 && b[0] == 0xEA &&
		binary.LittleEndian.Uint32(b[descriptorAt:]) == descriptorMagic &&
		binary.LittleEndian.Uint32(b[linkAt:]) == chipLink
}

// Check returns an [ErrNoSeam] if a chip's image cannot be run, as it is of an SDK that lacks a
// function of the seam, or from before images said where they have it.
func Check(image []byte) error {
	if !isChip(image) {
		return ErrNoSeam
	}
	return readProgram(image, 0).check()
}

// readProgram reads what the chip's image at an address in flash says.
func readProgram(flash []byte, at int) *Program {
	p := &Program{uint32(at), map[string]uint32{}}
	table := flash[at+seamAt:]
	count := int(min(binary.LittleEndian.Uint32(table), uint32(len(names))))
	for _, name := range names[:count] {
		if table = table[4:]; len(table) < 4 {
			break
		}
		p.address[name] = binary.LittleEndian.Uint32(table)
	}
	return p
}

// check returns an [ErrNoSeam] if there is something that the program does not say, or that
// cannot be so.
func (p *Program) check() error {
	for _, name := range needed() {
		addr := p.address[name]
		if _, hooked := seam[name]; addr == 0 || hooked && (addr < mappedFlash || addr >= mappedFlash+esp8266.FlashSize) {
			return fmt.Errorf("%w: %s is at 0x%08x", ErrNoSeam, name, addr)
		}
	}
	return nil
}

// sector is the size of a flash sector: images begin at one.
const sector = 0x1000

// images are the addresses in flash at which images of the chip's link begin.
func images(flash []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < len(flash); at += sector {
			if isChip(flash[at:]) && !yield(at) {
				return
			}
		}
	}
}

// find returns the images of the chip's link in flash that can be run, and an [ErrNoSeam] for
// another.
func find(flash []byte) (programs []*Program, err error) {
	for at := range images(flash) {
		p := readProgram(flash, at)
		if wrong := p.check(); wrong != nil {
			err = fmt.Errorf("the image at 0x%06x: %w", at, wrong)
			continue
		}
		programs = append(programs, p)
	}
	return programs, err
}

// Needed reports whether there is an image in flash that needs a radio.
func Needed(flash []byte) bool {
	for range images(flash) {
		return true
	}
	return false
}

// DataAddress is where the initial data of the radio lie in flash. esptool puts them there; the
// vendor's software does not start without.
const DataAddress = 0xFC000

// Data are such data, of which a radio that is not there needs the first byte, and what measures
// the RTC's clock that of the crystal.
func Data() []byte {
	b := make([]byte, 128)
	b[0] = 5
	b[crystalInData] = crystal26MHz
	return b
}

const (
	crystalInData = 48
	crystal26MHz  = 1
)
