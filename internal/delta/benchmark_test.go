package delta

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"esper/firmware"
	"esper/internal/build"
	"esper/internal/build/buildtest"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// The figures of docs/FIGURES.md: what a delta of a socket takes, in bytes and in percent of the image, and how
// many sectors of the standby slot change. SDK_DIR names the vendor's SDK for those of the chip's link.
// Where python3 (or DETOOLS_PYTHON) has detools, its patches of the same images stand beside ours;
// DETOOLS_FILES is the folder tests/files of its source distribution, which has the images of its
// MicroPython benchmark.
func BenchmarkDelta(b *testing.B) {
	links := map[string]string{"emulator": ""}
	if sdk := os.Getenv("SDK_DIR"); sdk != "" {
		links["chip"] = sdk
	}
	h := historian{b.TempDir(), map[string]string{}}
	for link, sdk := range links {
		b.Run(link, func(b *testing.B) {
			b.Setenv(site.SDKVariable, sdk)
			s := newBenchSite(b)
			v1 := s.images(b, "8a1b2c3d", 41, "")
			b.Run("decoder", func(b *testing.B) {
				for b.Loop() {
				}
				b.ReportMetric(float64(s.decoder(b)), "B-code")
			})
			b.Run("version", func(b *testing.B) { report(b, v1, s.images(b, "9c0d1e2f", 42, "")) })
			b.Run("feature", func(b *testing.B) { report(b, v1, s.images(b, "9c0d1e2f", 42, buildtest.WithButton)) })
			// Of the framework's history, each built and linked by the ESPer of its day, which knew no relocation
			// list: from an image for slot 1 to one for slot 1.
			const newest = "0007452"
			for name, oldest := range map[string]string{"4-commits": "bf6d321", "16-commits": "10bb11e"} {
				b.Run(name, func(b *testing.B) {
					reportSameSlot(b, h.image(b, oldest, sdk), h.image(b, newest, sdk), image.Slot1Address)
				})
			}
		})
	}
	b.Run("micropython", func(b *testing.B) {
		dir := os.Getenv("DETOOLS_FILES")
		if dir == "" {
			b.Skip("DETOOLS_FILES does not name detools' tests/files")
		}
		read := func(name string) []byte { return readFile(b, filepath.Join(dir, "micropython", name)) }
		reportSameSlot(b, read("esp8266-20180511-v1.9.4.bin"), read("esp8266-20190125-v1.10.bin"), 0)
	})
}

// BenchmarkDeltaEncoder makes the deltas to a release from five others, for both slots.
func BenchmarkDeltaEncoder(b *testing.B) {
	b.Setenv(site.SDKVariable, os.Getenv("SDK_DIR"))
	s := newBenchSite(b)
	v1, v2 := s.images(b, "8a1b2c3d", 41, ""), s.images(b, "9c0d1e2f", 42, buildtest.WithButton)
	b.ReportAllocs()
	for b.Loop() {
		for range 5 {
			for slot := range image.Slots {
				if _, err := Make(v1[1-slot], v2[slot]); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// report makes the delta of images for slot 0 to one for slot 1.
func report(b *testing.B, was, is [image.Slots][]byte) {
	old, err := image.Relocated(was[0])
	if err != nil {
		b.Fatal(err)
	}
	var made []byte
	for b.Loop() {
		if made, err = Make(was[0], is[1]); err != nil {
			b.Fatal(err)
		}
	}
	metrics(b, len(made), was[0], is[1])
	changed, all := buildtest.ChangedSectors(old, is[1])
	b.ReportMetric(float64(changed), "sectors")
	b.ReportMetric(float64(all), "sectors-of-the-image")
}

// reportSameSlot makes the body of a delta of images that lie at the same address.
func reportSameSlot(b *testing.B, was, is []byte, origin uint32) {
	var made []byte
	for b.Loop() {
		made = encode(was, is, origin)
	}
	if got, err := decode(was, made, len(is), origin); err != nil || !bytes.Equal(got, is) {
		b.Fatalf("the delta gives another image: %v", err)
	}
	metrics(b, HeaderSize+len(made), was, is)
}

func metrics(b *testing.B, size int, was, is []byte) {
	b.ReportMetric(float64(size), "B")
	b.ReportMetric(100*float64(size)/float64(len(is)), "%")
	for _, compression := range []string{"heatshrink", "lzma"} {
		if n, ok := detools(b, compression, was, is); ok {
			b.ReportMetric(100*float64(n)/float64(len(is)), "%-detools-"+compression)
		}
	}
}

// detools returns the size of its patch, if it is installed.
func detools(b *testing.B, compression string, was, is []byte) (size int, ok bool) {
	python := os.Getenv("DETOOLS_PYTHON")
	if python == "" {
		python = "python3"
	}
	dir := b.TempDir()
	from, to, patch := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "patch")
	writeFile(b, from, was)
	writeFile(b, to, is)
	if exec.Command(python, "-m", "detools", "create_patch", "-c", compression, from, to, patch).Run() != nil {
		return 0, false
	}
	return len(readFile(b, patch)), true
}

// benchSite is a site with a socket.
type benchSite struct{ dir string }

func newBenchSite(b *testing.B) benchSite {
	b.Helper()
	s := benchSite{b.TempDir()}
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err == nil {
		err = site.Create(s.dir, site.Template{
			Realm: "home", SSID: "home", MQTT: "mqtt://192.168.1.10:1883", UpdateURL: "http://192.168.1.10:8080/firmware",
			Devices: devices, Types: []string{"socket"},
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("ESPER_WIFI_PASSWORD", "correct horse")
	return s
}

// images builds the socket, with this source if it is not empty.
func (s benchSite) images(b *testing.B, version string, sequence uint32, source string) [image.Slots][]byte {
	b.Helper()
	path := filepath.Join(s.dir, site.DevicesDir, "socket", "socket.cpp")
	if source != "" {
		defer writeFile(b, path, readFile(b, path))
		writeFile(b, path, []byte(source))
	}
	opened, err := site.Open(s.dir)
	if err != nil {
		b.Fatal(err)
	}
	var log bytes.Buffer
	_, err = build.Build(b.Context(), opened, build.Options{
		Dir: filepath.Join(s.dir, "build"), Version: &site.Version{Name: version, Sequence: sequence}, Log: &log})
	if err != nil {
		b.Fatalf("%v\n%s", err, &log)
	}
	images, err := release.ReadImages(filepath.Join(s.dir, "build"), "socket")
	if err != nil {
		b.Fatal(err)
	}
	return images
}

// decoder returns the size of the decoder's code on the device in bytes.
func (s benchSite) decoder(b *testing.B) (size uint64) {
	b.Helper()
	file, err := elf.Open(filepath.Join(s.dir, "build", "socket.elf0"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		b.Fatal(err)
	}
	for _, symbol := range symbols {
		for _, class := range []string{"5Delta", "12RangeDecoder", "10Relocation"} {
			if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && strings.HasPrefix(strings.TrimPrefix(symbol.Name, "_ZN5esper"), class) ||
				strings.HasPrefix(symbol.Name, "_ZNK5esper"+class) {
				size += symbol.Size
			}
		}
	}
	return size
}

// historian builds the ESPer of any commit, once.
type historian struct {
	dir      string
	programs map[string]string // by commit
}

// image returns the socket's image for slot 1 as ESPer built it at a commit.
func (h historian) image(b *testing.B, commit, sdk string) []byte {
	b.Helper()
	root := filepath.Join("..", "..")
	tree, home := filepath.Join(h.dir, commit), filepath.Join(b.TempDir(), "home")
	run := func(in string, name string, args ...string) {
		command := exec.Command(name, args...)
		command.Dir = in
		command.Env = append(os.Environ(), "SDK_DIR="+sdk, "ESPER_SDK="+sdk, "ESPER_WIFI_PASSWORD=correct horse")
		if sdk == "" {
			command.Env = append(command.Env, "SDK_DIR", "ESPER_SDK")
		}
		if out, err := command.CombinedOutput(); err != nil {
			b.Skipf("%s: %s %s: %v\n%s", commit, name, strings.Join(args, " "), err, out)
		}
	}
	program := h.programs[commit]
	if program == "" {
		program = tree + "-esper"
		run(root, "git", "worktree", "add", "--detach", tree, commit)
		run(tree, "go", "build", "-o", program, "./cmd/esper")
		run(root, "git", "worktree", "remove", "--force", tree)
		h.programs[commit] = program
	}
	run(h.dir, program, "init", home, "--wifi-ssid", "home", "--mqtt", "mqtt://192.168.1.10:1883", "--url", "http://192.168.1.10:8080/firmware")
	// Everything that was ever built here has the same key in it.
	writeFile(b, filepath.Join(home, "release.pub"), []byte(publicKey))
	run(home, program, "build", "--output", filepath.Join(home, "build"))
	return readFile(b, filepath.Join(home, "build", "socket.rom1"))
}

// publicKey is one whose private key nobody has.
const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`

func readFile(b *testing.B, path string) []byte {
	b.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return content
}

func writeFile(b *testing.B, path string, content []byte) {
	b.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.Fatal(err)
	}
}
