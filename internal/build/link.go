package build

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"esper/internal/image"
)

// linked is a linked and packed firmware.
type linked struct {
	ImageResult
	image, elf []byte // the files' contents
}

// linkSlot links objects for a slot and packs the image.
func (b *builder) linkSlot(ctx context.Context, path string, slot int, device, framework objects) (*linked, error) {
	args := []string{
		"-Wl,--defsym=slot_address=" + fmt.Sprintf("%#x", image.SlotAddress(slot)),
		"-T", filepath.Join(b.sources, "link", "slot.ld"),
		"-T", filepath.Join(b.sources, "link", "romlibrary.ld"),
	}
	args = append(args, b.platformScripts()...)
	args = append(args, device...)
	args = append(args, framework...)
	args = append(args, "-Wl,--start-group")
	args = append(args, b.platformLibraries()...)
	args = append(args, b.toolchain.library...)
	args = append(args, "-Wl,--end-group")
	program, err := b.link(ctx, path, args)
	if err != nil {
		return nil, err
	}
	in := image.Input{
		Entry: program.entry, Segments: program.ram, Slot: slot,
		FlashMode: image.FlashDOUT, FlashSizeFreq: image.Flash1MB40MHz,
	}
	for _, s := range program.ram {
		// The bootloader loads it, and lies above it.
		if end := int(s.Addr) + len(s.Data); s.Addr >= image.DRAMStart && s.Addr < image.DRAMEnd && end > image.DRAMEnd {
			return nil, &OverflowError{"the RAM for constants and initial data (73,728 bytes)", end - image.DRAMEnd}
		}
	}
	for _, s := range program.flash {
		if s.Addr != image.IROMAddress(slot) {
			return nil, fmt.Errorf("code at %#08x, not where the slot's begins", s.Addr)
		}
		in.IROM = s.Data
	}
	l := &linked{elf: program.content}
	if l.image, err = image.Pack(in); err != nil {
		return nil, err
	}
	l.Size = len(l.image)
	l.Code = len(in.IROM)
	l.IRAM = program.sizes[".text"]
	l.RAM = program.sizes[".data"] + program.sizes[".rodata"] + program.sizes[".bss"]
	return l, nil
}

// linkBootloader links the bootloader and packs its image; elf is the linked program.
func (b *builder) linkBootloader(ctx context.Context, path string, boot objects) (packed, elf []byte, err error) {
	program, err := b.link(ctx, path, slices.Concat([]string{
		"-T", filepath.Join(b.sources, "bootloader", "bootloader.ld"),
		"-T", filepath.Join(b.sources, "link", "rom.ld"),
		"-T", filepath.Join(b.sources, "link", "romlibrary.ld"),
	}, boot))
	if err != nil {
		return nil, nil, fmt.Errorf("bootloader: %w", err)
	}
	packed, err = image.PackBootloader(program.entry, program.ram)
	return packed, program.content, err
}

// program is what was linked.
type program struct {
	content    []byte // the ELF file
	entry      uint32
	flash, ram []image.Segment
	sizes      map[string]int // of the sections, in bytes
}

// link links a program into the ELF file at path, and reads it.
func (b *builder) link(ctx context.Context, path string, args []string) (*program, error) {
	args = slices.Concat([]string{
		"-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
		"-o", path,
	}, args)
	said, err := b.toolchain.run(ctx, filepath.Dir(path), "gcc", args...)
	var failed *toolError
	if errors.As(err, &failed) && ctx.Err() == nil {
		if overflow := readOverflow(failed.output); overflow != nil {
			return nil, overflow
		}
		b.note("%s", said)
		return nil, &LinkError{failed.output}
	}
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return readProgram(content)
}

// readProgram reads an ELF file.
func readProgram(content []byte) (*program, error) {
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	p := &program{content: content, entry: uint32(file.Entry), sizes: map[string]int{}}
	for _, s := range file.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 {
			p.sizes[s.Name] = int(s.Size)
		}
	}
	for _, header := range file.Progs {
		if header.Type != elf.PT_LOAD || header.Filesz == 0 {
			continue
		}
		data := make([]byte, header.Filesz)
		if _, err := header.ReadAt(data, 0); err != nil {
			return nil, err
		}
		segment := image.Segment{Addr: uint32(header.Vaddr), Data: data}
		if segment.Addr >= image.MappedFlash {
			p.flash = append(p.flash, segment)
		} else {
			p.ram = append(p.ram, segment)
		}
	}
	return p, nil
}

// LinkError is a program that the linker refuses.
type LinkError struct {
	Output string // the linker's messages, which the log has too
}

var undefined = regexp.MustCompile("undefined reference to `([^']*)'")

func (e *LinkError) Error() string {
	if match := undefined.FindStringSubmatch(e.Output); match != nil {
		return fmt.Sprintf("does not link: nothing defines %s", match[1])
	}
	return "does not link: " + lastLine([]byte(e.Output))
}

// OverflowError says that a firmware outgrew a memory of the chip.
type OverflowError struct {
	Memory string
	By     int // bytes
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("%s overflows by %d bytes", e.Memory, e.By)
}

// memories are the regions of the linker scripts.
var memories = map[string]string{
	"iram": "the RAM for code (IRAM, 32,768 bytes)",
	"dram": "the RAM for data (DRAM, 81,920 bytes)",
	"irom": "the mapped flash",
}

var overflowed = regexp.MustCompile("region `(\\w+)' overflowed by (\\d+) bytes")

// readOverflow returns what the linker says of a region that is too small, or nil.
func readOverflow(output string) error {
	match := overflowed.FindStringSubmatch(output)
	if match == nil {
		return nil
	}
	by, err := strconv.Atoi(match[2])
	if err != nil {
		return nil
	}
	return &OverflowError{memories[match[1]], by}
}
