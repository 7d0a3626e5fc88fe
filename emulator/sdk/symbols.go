package sdk

import (
	"bytes"
	"debug/elf"
	"fmt"
	"sort"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"esper/emulator/esp8266"
)

// Symbols are the functions of a program, from its ELF file.
type Symbols struct {
	functions []symbol // by address

	// What the program says of itself in flash (the descriptor; docs/SPEC.md,
	// section 2.3), and where: nothing if it has none.
	descriptor uint32
	identity   []byte
}

type symbol struct {
	addr, size uint32
	name       string
}

// identitySize is how much of the descriptor is known before the image is packed:
// all up to the slot.
const identitySize = 84

// ReadSymbols reads the functions in an ELF file.
func ReadSymbols(path string) (*Symbols, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", path, err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", path, err)
	}
	s := &Symbols{}
	for _, e := range all {
		switch {
		case e.Name == "descriptor":
			s.descriptor = uint32(e.Value)
		case elf.ST_TYPE(e.Info) == elf.STT_FUNC:
			s.functions = append(s.functions, symbol{uint32(e.Value), uint32(e.Size), e.Name})
		}
	}
	sort.SliceStable(s.functions, func(i, j int) bool { return s.functions[i].addr < s.functions[j].addr })
	for _, section := range f.Sections {
		offset := uint64(s.descriptor) - section.Addr
		if s.descriptor == 0 || uint64(s.descriptor) < section.Addr || offset+identitySize > section.Size {
			continue
		}
		b := make([]byte, identitySize)
		if _, err := section.ReadAt(b, int64(offset)); err == nil {
			s.identity = b
		}
	}
	return s, nil
}

// fits says whether the chip runs this very program.
func (s *Symbols) fits(c *esp8266.Chip) bool {
	if s.identity == nil {
		return true
	}
	there, err := c.Read(s.descriptor, len(s.identity))
	return err == nil && bytes.Equal(there, s.identity)
}

// name is the function at addr and how far into it, or empty.
func (s *Symbols) name(addr uint32) string {
	i := sort.Search(len(s.functions), func(i int) bool { return s.functions[i].addr > addr })
	if i == 0 {
		return ""
	}
	f := s.functions[i-1]
	if addr > f.addr+f.size || f.size == 0 && addr != f.addr {
		return ""
	}
	name, _, _ := strings.Cut(f.name, "$") // behind it the compiler names a copy
	return fmt.Sprintf("%s+0x%x", demangle.Filter(name), addr-f.addr)
}
