package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"esper/emulator/sdk"
	"esper/internal/image"
)

// ramSize is the RAM for data, heap and the SDK's buffers, in bytes: what lies above it is the mask
// ROM's, and the stack.
const ramSize = 80 << 10

// Heap returns how many bytes of RAM are left for the heap when the firmware with that image
// starts, before anything is allocated.
func (r *Result) Heap(i ImageResult) int {
	if r.Link == image.LinkEmulator {
		return ramSize - sdk.Memory - i.RAM // the vendor's software is not in the image
	}
	return ramSize - i.RAM
}

// Larger returns the larger of the images for the two slots.
func (t TypeResult) Larger() ImageResult {
	if t.Images[1].Size > t.Images[0].Size {
		return t.Images[1]
	}
	return t.Images[0]
}

// Sizes returns the sizes of the device types that were built into a folder before, for a link.
// Types whose files are missing or damaged are left out.
func Sizes(dir string, link image.Link) map[string]TypeResult {
	roms, _ := filepath.Glob(filepath.Join(dir, "*.rom0")) // the pattern is right
	built := map[string]TypeResult{}
	for _, rom := range roms {
		name := strings.TrimSuffix(filepath.Base(rom), ".rom0")
		if t, err := sizesOf(dir, name, link); err == nil {
			built[name] = t
		}
	}
	return built
}

// sizesOf returns the sizes of one of them.
func sizesOf(dir, name string, link image.Link) (TypeResult, error) {
	t := TypeResult{Name: name}
	for slot := range t.Images {
		i := &t.Images[slot]
		i.Path, i.ELF = slotFiles(dir, name, slot)
		content, err := os.ReadFile(i.Path)
		if err != nil {
			return t, err
		}
		parsed, err := image.Parse(content)
		if err != nil {
			return t, err
		}
		if parsed.Link() != link {
			return t, errors.New("another link")
		}
		linked, err := os.ReadFile(i.ELF)
		if err != nil {
			return t, err
		}
		program, err := readProgram(linked)
		if err != nil {
			return t, err
		}
		t.Version, t.Sequence = parsed.Descriptor.Version, parsed.Descriptor.Sequence
		i.Size = len(content)
		i.measure(program)
	}
	return t, nil
}

// slotFiles returns the paths of the files that are built for a slot of a device type.
func slotFiles(dir, deviceType string, slot int) (rom, elf string) {
	base := filepath.Join(dir, deviceType)
	return fmt.Sprintf("%s.rom%d", base, slot), fmt.Sprintf("%s.elf%d", base, slot)
}

// measure sets what a linked program takes of the memories.
func (i *ImageResult) measure(p *program) {
	i.Code = 0
	for _, s := range p.flash {
		i.Code += len(s.Data)
	}
	i.IRAM = p.sizes[".text"]
	i.RAM = p.sizes[".vendor"] + p.sizes[".data"] + p.sizes[".bss"]
}
