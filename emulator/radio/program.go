package radio

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"esper/emulator/esp8266"
)

// Program is an image of the chip's link, as far as the seam is concerned.
type Program struct {
	address map[string]uint32 // of what the seam names
	code    []byte            // what runs from flash, without the descriptor
	at      int               // where that lies in flash
}

// ErrNotChip says that a program is not linked with the vendor's libraries.
var ErrNotChip = errors.New("not linked for the chip")

// descriptorSize is how many bytes a descriptor has, with which the code begins (SPEC 2.3). It is
// completed when the image is packed.
const descriptorSize = 96

// mappedFlash is where flash address 0 is seen.
const mappedFlash = 0x40200000

// ReadProgram reads the ELF file that an image was made of. It returns ErrNotChip if the image
// does not have the functions of the seam.
func ReadProgram(path string) (*Program, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", path, err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", path, err)
	}
	p := &Program{address: map[string]uint32{}}
	all := map[string]uint32{}
	for _, s := range symbols {
		all[s.Name] = uint32(s.Value)
	}
	for _, name := range slices.AppendSeq(slices.Clone(called), maps.Keys(seam)) {
		addr, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w: it has no %s", path, ErrNotChip, name)
		}
		if _, hooked := seam[name]; hooked && addr < mappedFlash {
			return nil, fmt.Errorf("%s: %w: %s is not in flash", path, ErrNotChip, name)
		}
		p.address[name] = addr
	}
	for _, header := range f.Progs {
		if header.Type != elf.PT_LOAD || header.Vaddr < mappedFlash {
			continue
		}
		code, err := io.ReadAll(io.LimitReader(header.Open(), esp8266.FlashSize))
		if err != nil || len(code) < descriptorSize {
			return nil, fmt.Errorf("%s: its code cannot be read: %w", path, cmp.Or(err, io.ErrUnexpectedEOF))
		}
		p.code, p.at = code[descriptorSize:], int(header.Vaddr)-mappedFlash+descriptorSize
	}
	return p, nil
}

// fits reports whether the image in flash is this one. Images that differ elsewhere than in the
// descriptor may have their variables at other addresses, so all of the code is compared.
func (p *Program) fits(flash []byte) bool {
	return p.at+len(p.code) <= len(flash) && bytes.Equal(flash[p.at:p.at+len(p.code)], p.code)
}

// DataAddress is where the initial data of the radio lie in flash. esptool puts them there; the
// vendor's software does not start without.
const DataAddress = 0xFC000

// Data are such data, of which a radio that is not there needs the first byte only.
func Data() []byte {
	b := make([]byte, 128)
	b[0] = 5
	return b
}
