package build_test

import (
	"os"
	"path/filepath"
	"testing"

	"esper/internal/build"
	"esper/internal/build/buildtest"
	"esper/internal/image"
	"esper/internal/site"
)

// A device neither erases nor writes a sector that is the same in the new image.
func TestASmallChangeLeavesMostSectorsAlike(t *testing.T) {
	smallChange(t, 4, 7)
}

func TestASmallChangeLeavesMostSectorsOfAChipImageAlike(t *testing.T) {
	sdk := os.Getenv("SDK_DIR")
	if sdk == "" {
		t.Skip("SDK_DIR does not name a copy of the vendor's SDK")
	}
	t.Setenv(site.SDKVariable, sdk)
	smallChange(t, 4, 12) // by chance .bss grows into its next 256 bytes, and what lies behind it moves
}

// smallChange fails if more sectors change by another version, or by a further feature.
func smallChange(t *testing.T, version, feature int) {
	dir := newSite(t, true)
	images := func(name string, sequence uint32) (files [image.Slots][]byte) {
		r := mustBuild(t, dir, build.Options{Types: []string{"socket"}, Version: &site.Version{Name: name, Sequence: sequence}})
		for slot, i := range r.Types[0].Images {
			files[slot] = read(t, i.Path)
			parsed, err := image.Parse(files[slot])
			must(t, err)
			if end := image.DescriptorAt + len(parsed.IROM); end%image.SectorSize != 0 {
				t.Errorf("slot %d: the irom part ends at %#x, within a sector", slot, end)
			}
		}
		return files
	}
	first := images("3f2a9c41", 1)
	for slot, next := range images("8a1b2c3d", 2) {
		changed, all := buildtest.ChangedSectors(first[slot], next)
		t.Logf("slot %d: another version changes %d of %d sectors", slot, changed, all)
		if changed > version {
			t.Errorf("slot %d: another version changes %d sectors, more than %d", slot, changed, version)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "socket.cpp"), []byte(buildtest.WithButton), 0o666))
	for slot, next := range images("5c6d7e8f", 3) {
		changed, all := buildtest.ChangedSectors(first[slot], next)
		t.Logf("slot %d: a further feature changes %d of %d sectors", slot, changed, all)
		if changed > feature {
			t.Errorf("slot %d: a further feature changes %d sectors, more than %d", slot, changed, feature)
		}
	}
}
