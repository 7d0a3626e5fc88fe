package monitor

import (
	"bytes"
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/ianlancetaylor/demangle"

	"esper/internal/image"
)

// Program is a linked program, which knows what lies at the addresses of a crash.
type Program struct {
	functions []function
	lines     *dwarf.Data
}

type function struct {
	address, size uint64
	name          string
}

// ErrOtherVersion says that an ELF file does not belong to the version that runs.
var ErrOtherVersion = errors.New("of another version")

// OpenProgram reads the ELF file that a version of a device type was linked into. It returns
// ErrOtherVersion if the file is of another.
func OpenProgram(path, deviceType, version string) (*Program, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if t, v := identity(f); t != deviceType || v != version {
		return nil, fmt.Errorf("%s is %w: it is %s %s", path, ErrOtherVersion, t, v)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &Program{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			p.functions = append(p.functions, function{s.Value, s.Size, s.Name})
		}
	}
	slices.SortFunc(p.functions, func(a, b function) int { return cmp.Compare(a.address, b.address) })
	p.lines, _ = f.DWARF() // names alone are worth something, too
	return p, nil
}

// identity returns the device type and the version in an ELF file's descriptor (SPEC 2.3).
func identity(f *elf.File) (deviceType, version string) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Vaddr < image.MappedFlash {
			continue
		}
		b := make([]byte, image.DescriptorSize)
		if _, err := io.ReadFull(p.Open(), b); err == nil {
			text := func(from, to int) string {
				s, _, _ := bytes.Cut(b[from:to], []byte{0})
				return string(s)
			}
			return text(8, 40), text(40, 76)
		}
	}
	return "", ""
}

// At returns the function at an address, and where that is in the sources as far as it is known.
func (p *Program) At(address uint64) (string, bool) {
	i, found := slices.BinarySearchFunc(p.functions, address, func(f function, a uint64) int { return cmp.Compare(f.address, a) })
	if !found {
		i--
	}
	if i < 0 || address >= p.functions[i].address+max(p.functions[i].size, 1) {
		return "", false
	}
	text := demangle.Filter(p.functions[i].name)
	if where := p.line(address); where != "" {
		text += " (" + where + ")"
	}
	return text, true
}

// line returns the file and the line of an address.
func (p *Program) line(address uint64) string {
	if p.lines == nil {
		return ""
	}
	unit, err := p.lines.Reader().SeekPC(address)
	if err != nil {
		return ""
	}
	lines, err := p.lines.LineReader(unit)
	var at dwarf.LineEntry
	if err != nil || lines == nil || lines.SeekPC(address, &at) != nil || at.File == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", filepath.Base(at.File.Name), at.Line)
}

var (
	booted   = regexp.MustCompile(`^boot: slot ([01]): ([a-z0-9-]+) ([A-Za-z0-9._+-]+),`)
	code     = regexp.MustCompile(`\b0x(40[12][0-9a-f]{5})\b`)
	crashing = regexp.MustCompile(`^(epc1=|pc |from |Fatal exception)`)
)

// Explainer adds to the lines of a board what its ELF files know of the addresses in them.
type Explainer struct {
	Dir string // where TYPE.elf0 and TYPE.elf1 are; empty: nowhere

	program *Program
	missing string // why there is none
}

// Explain returns what is to be said behind a line; mostly nothing.
func (e *Explainer) Explain(line string) []string {
	if m := booted.FindStringSubmatch(line); m != nil && e.Dir != "" {
		path := filepath.Join(e.Dir, m[2]+".elf"+m[1])
		var err error
		if e.program, err = OpenProgram(path, m[2], m[3]); err != nil {
			e.missing = err.Error()
		}
		return nil
	}
	if !crashing.MatchString(line) {
		return nil
	}
	addresses := code.FindAllStringSubmatch(line, -1)
	if len(addresses) == 0 {
		return nil
	}
	if e.program == nil {
		if e.missing == "" {
			return nil
		}
		said := "no function names: " + e.missing
		e.missing = "" // once is enough
		return []string{said}
	}
	var all []string
	for _, a := range addresses {
		address, err := strconv.ParseUint(a[1], 16, 32)
		if err != nil {
			continue
		}
		if text, ok := e.program.At(address); ok {
			all = append(all, fmt.Sprintf("0x%s is in %s", a[1], text))
		}
	}
	return all
}
