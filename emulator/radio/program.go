package radio

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// Program is an image of the chip's link, as far as the seam is concerned.
type Program struct {
	address map[string]uint32 // of what the seam names
	code    map[string][]byte // how the functions begin
}

// ErrNotChip says that a program is not linked with the vendor's libraries.
var ErrNotChip = errors.New("not linked for the chip")

// codeSize is how many bytes of a function are compared.
const codeSize = 32

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
	p := &Program{address: map[string]uint32{}, code: map[string][]byte{}}
	for _, s := range symbols {
		p.address[s.Name] = uint32(s.Value)
	}
	need := append([]string(nil), called...)
	for name := range seam {
		need = append(need, name)
	}
	all := p.address
	p.address = map[string]uint32{}
	for _, name := range need {
		addr, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w: it has no %s", path, ErrNotChip, name)
		}
		p.address[name] = addr
		for _, section := range f.Sections {
			if at := uint64(addr); section.Type == elf.SHT_PROGBITS && addr >= mappedFlash &&
				at >= section.Addr && at+codeSize <= section.Addr+section.Size {
				b := make([]byte, codeSize)
				if _, err := section.ReadAt(b, int64(at-section.Addr)); err != nil {
					return nil, fmt.Errorf("symbols of %s: %w", path, err)
				}
				p.code[name] = b
			}
		}
	}
	for name := range seam {
		if p.code[name] == nil {
			return nil, fmt.Errorf("%s: %w: %s is not in flash", path, ErrNotChip, name)
		}
	}
	return p, nil
}

// fits reports whether the image in flash is this one.
func (p *Program) fits(flash []byte) bool {
	for name, code := range p.code {
		at := int(p.address[name] - mappedFlash)
		if at+codeSize > len(flash) || !bytes.Equal(flash[at:at+codeSize], code) {
			return false
		}
	}
	return true
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
