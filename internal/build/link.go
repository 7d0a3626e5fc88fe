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

	"golang.org/x/sync/errgroup"

	"esper/internal/image"
)

// linked is a linked and packed program.
type linked struct {
	ImageResult
	image []byte // what is flashed
	elf   []byte // the linked program; nil if it is there already, or not asked for
}

// linkSlots links the objects of a device type for both slots, packs the images, and relates them. elf
// is as for linkSlot.
func (b *builder) linkSlots(ctx context.Context, j job, device, framework objects, elf [image.Slots]string) ([image.Slots]*linked, error) {
	var made [image.Slots]*linked
	group, linking := errgroup.WithContext(ctx)
	for slot := range made {
		group.Go(func() (err error) {
			made[slot], err = b.linkSlot(linking, j, slot, device, framework, elf[slot])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return made, err
	}
	image.Relate(made[0].image, made[1].image)
	return made, nil
}

// packing is the version of how images are packed: kept images of another one are not used.
const packing = 2

// linkSlot links the objects of a device type for a slot and packs the image. elf is
// where the linked program will be: if it is there, it is not made again; if elf is
// empty, it is not asked for.
//
// What changes rarely is linked first (slot.ld). The libraries are named three times: the linker
// takes what the vendor's start needs from them, then what the framework needs besides, then what
// the device type needs. So what a device type newly needs comes last among them.
func (b *builder) linkSlot(ctx context.Context, j job, slot int, device, framework objects, elf string) (*linked, error) {
	script := []string{
		"-Wl,--wrap=system_restart", // firmware/framework/esper/Reset.cpp
		"-Wl,--defsym=slot_address=" + fmt.Sprintf("%#x", image.SlotAddress(slot)),
		"-T", filepath.Join(b.sources, "link", "slot.ld"),
		"-T", filepath.Join(b.sources, "link", "romlibrary.ld"),
	}
	libraries := slices.Concat([]string{"-Wl,--start-group"}, b.platformLibraries(), b.toolchain.library,
		[]string{"-Wl,--end-group"})
	l, err := b.linkOnce(ctx, linkJob{
		label:   fmt.Sprintf("%s slot %d", j.Name, slot),
		objects: slices.Concat(framework, device),
		args: slices.Concat(script, b.platformScripts(),
			libraries, framework, libraries, device, libraries),
		elf:    elf,
		pack:   func(p *program) (*linked, error) { return packSlot(p, slot, j.FlashMode, b.platform()) },
		header: fmt.Sprint("flash mode ", j.FlashMode, " packing ", packing),
	})
	if refused := new(LinkError); errors.As(err, &refused) { // which it is for both slots
		return nil, fmt.Errorf("%s: %w", j.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: slot %d: %w", j.Name, slot, err)
	}
	return l, nil
}

// packSlot packs the image for a slot.
func packSlot(program *program, slot int, flashMode uint8, link image.Link) (l *linked, err error) {
	in := image.Input{
		Entry: program.entry, Segments: program.ram, Slot: slot, Link: link,
		FlashMode: flashMode, FlashSizeFreq: image.Flash1MB40MHz,
	}
	for _, s := range program.flash {
		if s.Addr != image.IROMAddress(slot) {
			return nil, fmt.Errorf("code at %#08x, not where the slot's begins", s.Addr)
		}
		in.IROM = s.Data
	}
	code := len(in.IROM)
	in.IROM = slices.Concat(in.IROM, make([]byte, image.RelocationRoom+iromPadding(code)))
	l = &linked{}
	l.image, err = image.Pack(in)
	if tooLarge := new(image.TooLargeError); errors.As(err, &tooLarge) {
		in.IROM = in.IROM[:code+image.RelocationRoom] // it may fit without the padding
		l.image, err = image.Pack(in)
	}
	if err != nil {
		return nil, err
	}
	l.Size = len(l.image)
	l.measure(program)
	return l, nil
}

// iromPadding returns how many zeros lie between the code in an irom part, given the code's size, and the
// relocation list. The RAM segments behind it then begin with a sector of the flash, and move only when
// the code needs another sector.
func iromPadding(size int) int {
	end := image.DescriptorAt + size + image.RelocationRoom
	return -end & (image.SectorSize - 1)
}

// linkBootloader links the bootloader and packs its image; elf is as for linkSlot.
func (b *builder) linkBootloader(ctx context.Context, boot objects, elf string) (*linked, error) {
	l, err := b.linkOnce(ctx, linkJob{
		label:   "bootloader",
		objects: boot,
		args: append([]string{
			"-T", filepath.Join(b.sources, "bootloader", "bootloader.ld"),
			"-T", filepath.Join(b.sources, "link", "rom.ld"),
			"-T", filepath.Join(b.sources, "link", "romlibrary.ld"),
		}, boot...),
		elf: elf,
		pack: func(p *program) (l *linked, err error) {
			l = &linked{}
			l.image, err = image.PackBootloader(p.entry, p.ram)
			l.Size = len(l.image)
			return l, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("bootloader: %w", err)
	}
	return l, nil
}

// program is what was linked.
type program struct {
	content    []byte // the ELF file
	entry      uint32
	flash, ram []image.Segment
	sizes      map[string]int // of the sections, in bytes
}

// linkFlags are the linker's arguments for every program.
var linkFlags = []string{
	"-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
}

// link links a program into the ELF file at path, and reads it.
func (b *builder) link(ctx context.Context, path string, j linkJob) (*program, error) {
	args := slices.Concat(linkFlags, []string{"-o", path}, j.args)
	readable := append([]string{b.sources}, j.objects...)
	if b.sdk != "" {
		readable = append(readable, sdkFiles(b.sdk)...)
	}
	said, err := b.toolchain.run(ctx, filepath.Dir(path), filepath.Dir(path), readable, "gcc", args...)
	var failed *toolError
	if errors.As(err, &failed) && ctx.Err() == nil {
		if overflow := readOverflow(failed.output); overflow != nil {
			return nil, overflow
		}
		b.noteOnce(objectAt.ReplaceAllString(said, ""))
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

func (e *LinkError) Error() string { return "does not link: " + explainLink(e.Output) }

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
	"dram": "the RAM for data (DRAM, 73,728 bytes)",
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
