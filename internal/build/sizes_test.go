package build_test

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"esper/emulator/sdk"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/site"
)

func TestTheSizesOfABuildAreReadFromItsFiles(t *testing.T) {
	dir := newSite(t, false)
	r := mustBuild(t, dir, build.Options{Types: []string{"socket"}})
	folder := filepath.Dir(r.Bootloader)
	must(t, os.WriteFile(filepath.Join(folder, "broken.rom0"), []byte("no image"), 0o666))
	before := build.Sizes(folder, image.LinkEmulator)
	if was, built := before["socket"], r.Types[0]; len(before) != 1 || was.Images != built.Images || was.Version != built.Version {
		t.Errorf("%+v, not only %+v", before, built)
	}
	if other := build.Sizes(folder, image.LinkChip); len(other) != 0 {
		t.Errorf("sizes for another link are taken for the chip's: %+v", other)
	}

	const heapEnd = 0x3FFFC000 // the mask ROM's data begin here
	i := r.Types[0].Images[0]
	if free := heapEnd - sdk.Memory - int(symbol(t, i.ELF, "_heap_start")); r.Heap(i) != free || free < 30_000 {
		t.Errorf("%d bytes are left for the heap, not %d", r.Heap(i), free)
	}
	r.Link = image.LinkChip
	if free := heapEnd - int(symbol(t, i.ELF, "_heap_start")); r.Heap(i) != free {
		t.Errorf("%d bytes would be left on the chip, not %d", r.Heap(i), free)
	}
}

// symbol returns the value of a symbol of a linked program.
func symbol(t testing.TB, path, name string) uint64 {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(read(t, path)))
	must(t, err)
	symbols, err := file.Symbols()
	must(t, err)
	for _, s := range symbols {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("%s has no symbol %s", path, name)
	return 0
}

// What the shipped types take of the memories, for the emulator and, with SDK_DIR, for the chip.
func BenchmarkSizes(b *testing.B) {
	links := map[string]string{"emulator": ""}
	if dir := os.Getenv("SDK_DIR"); dir != "" {
		links["chip"] = dir
	}
	for link, dir := range links {
		b.Setenv(site.SDKVariable, dir)
		r := mustBuild(b, newSite(b, true), build.Options{})
		for _, built := range r.Types {
			b.Run(link+"/"+built.Name, func(b *testing.B) {
				for b.Loop() {
				}
				i := built.Larger()
				for unit, size := range map[string]int{
					"image": i.Size, "code": i.Code, "iram": i.IRAM, "ram": i.RAM, "heap": r.Heap(i),
				} {
					b.ReportMetric(float64(size), unit+"-bytes")
				}
				b.ReportMetric(0, "ns/op") // leaves it out
			})
		}
	}
}
