package build

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// Difference is where a release is not what its sources give.
type Difference struct {
	Slot  int
	Where string // in terms of the firmware
}

func (d *Difference) Error() string {
	return fmt.Sprintf("the image for slot %d differs first %s", d.Slot, d.Where)
}

// Rebuild builds a release again from the sources in s, with the release's version and
// sequence and for its link, and compares the images byte by byte. If they are not the same, the error
// is a [Difference]. Of the options, Jobs and Log count.
func Rebuild(ctx context.Context, s *site.Site, r *release.Release, o Options) error {
	t, err := s.Type(r.Type)
	if err != nil {
		return err
	}
	same := *s
	switch {
	case r.Link() == image.LinkEmulator:
		same.Config.SDK = ""
	case s.Config.SDK == "":
		return fmt.Errorf("%w: the release is linked for the chip", ErrNoSDK)
	}
	b, err := newBuilder(ctx, &same, o)
	if err != nil {
		return err
	}
	j := job{t, site.Version{Name: r.Version, Sequence: r.Sequence}}
	compiled, err := b.compileJobs(s.Config, []job{j})
	if err != nil {
		return err
	}
	nowhere := filepath.Join(b.cache, "none", "program.elf") // so that the program is made for its symbols
	made, err := b.linkSlots(ctx, j, compiled.devices[0], compiled.framework(j), [image.Slots]string{})
	if err != nil {
		return err
	}
	for slot := range made {
		if bytes.Equal(made[slot].image, r.Images[slot]) {
			continue
		}
		if made, err = b.linkSlots(ctx, j, compiled.devices[0], compiled.framework(j), [image.Slots]string{nowhere, nowhere}); err != nil {
			return err
		}
		where, err := compare(r.Images[slot], made[slot].image, made[slot].elf)
		if err != nil {
			return err
		}
		return &Difference{slot, where}
	}
	return nil
}

// Toolchain says which compiler builds here.
func Toolchain(ctx context.Context) (string, error) {
	t, err := findToolchain(ctx)
	if err != nil {
		return "", err
	}
	return t.name, nil
}

// compare says where two images differ first, leaving lengths and checksums to the last,
// as they follow from the rest. program is the ELF file of the second.
func compare(published, rebuilt, program []byte) (string, error) {
	a, err := image.Parse(published)
	if err != nil {
		return "", fmt.Errorf("the published image: %w", err)
	}
	b, err := image.Parse(rebuilt)
	if err != nil {
		return "", err
	}
	if a.FlashMode != b.FlashMode || a.FlashSizeFreq != b.FlashSizeFreq {
		return "in the header: flash mode, size or clock", nil
	}
	if a.Descriptor.DeviceType != b.Descriptor.DeviceType || a.Descriptor.Version != b.Descriptor.Version ||
		a.Descriptor.Sequence != b.Descriptor.Sequence {
		return "in the descriptor: device type, version or sequence", nil
	}
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return "", err
	}
	const code = image.DescriptorSize
	var places []string // first in the code, then in the data: a longer text moves both
	if at, differ := firstDifference(a.IROM[code:], b.IROM[code:]); differ {
		places = append(places, place(file, image.IROMAddress(b.Descriptor.Slot)+code+uint32(at)))
	}
	for i := range max(len(a.Segments), len(b.Segments)) {
		if i >= len(a.Segments) || i >= len(b.Segments) || a.Segments[i].Addr != b.Segments[i].Addr {
			places = append(places, fmt.Sprintf("in what is loaded into RAM, from part %d on", i+1))
			break
		}
		if at, differ := firstDifference(a.Segments[i].Data, b.Segments[i].Data); differ {
			inCode := b.Segments[i].Addr >= image.IRAMStart
			if !inCode || len(places) == 0 {
				places = append(places, place(file, b.Segments[i].Addr+uint32(at)))
			}
			if !inCode {
				break
			}
		}
	}
	if len(places) == 0 {
		return "in its header, lengths or checksums", nil
	}
	return strings.Join(places, "; and "), nil
}

// firstDifference returns the index of the first byte that is not the same.
func firstDifference(a, b []byte) (int, bool) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i, true
		}
	}
	return min(len(a), len(b)), len(a) != len(b)
}

// place says what lies at an address: function or variable, and section.
func place(file *elf.File, address uint32) string {
	text := fmt.Sprintf("at %#08x", address)
	for _, section := range file.Sections {
		if section.Flags&elf.SHF_ALLOC != 0 && uint64(address) >= section.Addr && uint64(address) < section.Addr+section.Size {
			text += ", section " + section.Name
		}
	}
	symbols, err := file.Symbols()
	if err != nil {
		return text
	}
	at := slices.IndexFunc(symbols, func(s elf.Symbol) bool {
		kind := elf.ST_TYPE(s.Info)
		return (kind == elf.STT_FUNC || kind == elf.STT_OBJECT) && uint64(address) >= s.Value && uint64(address) < s.Value+s.Size
	})
	const setting = "a setting of esper.toml or a secret, perhaps"
	switch {
	case at >= 0 && slices.Contains([]string{"_ZN5esper13configurationE", "_ZN5esperL8settingsE"}, symbols[at].Name): // or where it keeps the text
		return text + ", in configuration: " + setting
	case at >= 0:
		return text + ", in " + symbols[at].Name
	}
	if address >= image.IRAMStart {
		return text + ", where code keeps addresses: something has moved"
	}
	return text + ", in a text or a constant without a name: " + setting
}

// RebuildCommit builds a release again from the commit that its version names, checked
// out clean, as [Rebuild] does.
func RebuildCommit(ctx context.Context, s *site.Site, r *release.Release, o Options) error {
	dir, err := os.MkdirTemp("", "esper-rebuild-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clean, err := s.Checkout(ctx, r.Version, filepath.Join(dir, "site"))
	if err != nil {
		return err
	}
	clean.Config.SDK = s.Config.SDK // where it lies on this computer, today
	if len(clean.Config.FleetKeys) == 0 {
		clean.Config.FleetKeys = s.Config.FleetKeys // from a file, which git does not keep
	}
	return Rebuild(ctx, clean, r, o)
}
