package build_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

func TestEachTypeIsBuiltForBothSlots(t *testing.T) {
	dir := newSite(t, true)
	r := mustBuild(t, dir, build.Options{Version: &site.Version{Name: "8a1b2c3d", Sequence: 42}})
	if len(r.Types) != 3 {
		t.Fatalf("%d types, not three", len(r.Types))
	}
	if _, _, err := image.ParseStandard(read(t, r.Bootloader)); err != nil {
		t.Errorf("bootloader: %v", err)
	}
	for _, built := range r.Types {
		for slot, i := range built.Images {
			got, err := image.Parse(read(t, i.Path))
			if err != nil {
				t.Errorf("%s: %v", i.Path, err)
				continue
			}
			want := image.Descriptor{
				DeviceType: built.Name, Version: "8a1b2c3d", Sequence: 42, Slot: slot, Size: i.Size, Link: image.LinkEmulator,
				Relocations: got.Descriptor.Relocations,
			}
			if other, err := image.Relocated(read(t, i.Path)); err != nil || !bytes.Equal(other, read(t, built.Images[1-slot].Path)) {
				t.Errorf("%s does not give the other slot's image: %v", i.Path, err)
			}
			if got.Descriptor != want {
				t.Errorf("%s: %+v, not %+v", i.Path, got.Descriptor, want)
			}
			if got.Descriptor.Link = image.LinkUnmarked; got.Link() != image.LinkEmulator {
				t.Errorf("%s without its mark is taken for one of the chip's", i.Path)
			}
			if entry := got.Entry; entry < image.IRAMStart || entry >= image.IRAMEnd {
				t.Errorf("%s: entry %#08x is not in IRAM, and the cache is off", i.Path, entry)
			}
			t.Logf("%s slot %d: %d bytes, %.1f %% of the slot; code %d, IRAM %d, RAM %d",
				built.Name, slot, i.Size, 100*i.SlotUse(), i.Code, i.IRAM, i.RAM)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "build", "*"))
	must(t, err)
	if len(names) != 2+3*4 {
		t.Errorf("the build folder holds %v", names)
	}
}

// cacheFolder is where builds keep their objects.
func cacheFolder(t testing.TB) string {
	t.Helper()
	cache := os.Getenv(build.CacheVariable)
	if cache == "" {
		user, err := os.UserCacheDir()
		must(t, err)
		cache = filepath.Join(user, "esper")
	}
	return cache
}

// compileAnew gives the test an empty cache, in which only Monocypher is there, and
// returns its folder.
func compileAnew(t testing.TB) string {
	t.Helper()
	cache := cacheFolder(t)
	if os.Getenv(build.MonocypherVariable) == "" {
		found, err := filepath.Glob(filepath.Join(cache, "monocypher-*"))
		must(t, err)
		t.Setenv(build.MonocypherVariable, found[0])
	}
	empty := t.TempDir()
	t.Setenv(build.CacheVariable, empty)
	return empty
}

// linkAnew gives the test a cache that has no programs, but the objects of the others.
func linkAnew(t testing.TB) (cache string) {
	t.Helper()
	all := cacheFolder(t)
	objects := filepath.Join(all, "objects")
	must(t, os.MkdirAll(objects, 0o700))
	cache, err := os.MkdirTemp(all, "new-*") // objects are moved into place, within a file system
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(cache) })
	must(t, os.Symlink(objects, filepath.Join(cache, "objects")))
	source, err := build.Monocypher(t.Context())
	must(t, err)
	t.Setenv(build.MonocypherVariable, source)
	t.Setenv(build.CacheVariable, cache)
	return cache
}

func TestAnotherVersionCompilesOneSmallFile(t *testing.T) {
	dir := newSite(t, true)
	mustBuild(t, dir, build.Options{Types: []string{"socket"}})
	next := &site.Version{Name: fmt.Sprint(time.Now().UnixNano()), Sequence: 2}
	r := mustBuild(t, dir, build.Options{Types: []string{"socket"}, Version: next})
	if want := []string{"socket/configuration.cpp"}; !slices.Equal(r.Compiled, want) {
		t.Errorf("compiled %v, not %v", r.Compiled, want)
	}
	r = mustBuild(t, dir, build.Options{Types: []string{"socket"}, Version: next})
	if len(r.Compiled) != 0 {
		t.Errorf("compiled %v though nothing has changed", r.Compiled)
	}
}

func TestWithoutAnUpdateURLThereIsNoUpdateCode(t *testing.T) {
	of := func(update bool) (size int, symbols string) {
		r := mustBuild(t, newSite(t, update), build.Options{Types: []string{"socket"}})
		file, err := elf.NewFile(bytes.NewReader(read(t, r.Types[0].Images[0].ELF)))
		must(t, err)
		list, err := file.Symbols()
		must(t, err)
		for _, s := range list {
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
				symbols += s.Name + "\n"
			}
		}
		return r.Types[0].Images[0].Size, symbols
	}
	large, with := of(true)
	small, without := of(false)
	t.Logf("with updates %d bytes, without %d", large, small)
	for _, name := range []string{"7Ed25519", "6Update", "SignedText", "VersionFile", "7Release", "4Http", "14SettingsUpdate", "12SettingsFile", "unseal"} {
		if strings.Contains(without, name) {
			t.Errorf("%s is there without updates", name)
		}
	}
	if !strings.Contains(with, "7Ed25519") || !strings.Contains(with, "6Update") {
		t.Error("the update code is not there with updates either")
	}
	if large-small < 10_000 {
		t.Errorf("leaving updates out saves only %d bytes", large-small)
	}
}

// A device type may have classes that are named like some of the framework.
func TestTheFrameworksNamesAreNotTaken(t *testing.T) {
	dir := newSite(t, true)
	writeFile(t, filepath.Join(dir, "devices/own/own.cpp"), `#include <esper/Device.h>
#include <esper/Log.h>
class Installer { public: __attribute__((noinline)) void install() { ESPER_LOG("own", "%d", ++n); } int n = 0; };
class Timer { public: Timer() { of.install(); } Installer of; };
Timer configuration;
esper::Device device;
esper::Device* getDevice() { return &device; }
`)
	r := mustBuild(t, dir, build.Options{Types: []string{"own"}})
	file, err := elf.NewFile(bytes.NewReader(read(t, r.Types[0].Images[0].ELF)))
	must(t, err)
	symbols, err := file.Symbols()
	must(t, err)
	for _, prefix := range []string{"_ZN9Installer7install", "_ZN5esper9Installer7install"} {
		if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return strings.HasPrefix(s.Name, prefix) }) {
			t.Errorf("no function %s", prefix)
		}
	}
}

func TestAFirmwareThatOutgrowsTheChipSaysByHowMuch(t *testing.T) {
	const device = "#include <esper/Device.h>\nusing namespace esper;\nDevice device;\nDevice* getDevice() { return &device; }\n"
	for _, test := range []struct {
		name, code string
		says       string
	}{
		{"its slot", `extern "C" __attribute__((section(".irom.text"), used, retain)) const unsigned big[0x1E400] = {1};
			struct Uses { Uses() { asm volatile("" ::"r"(big)); } } uses;`, "495616"},
		{"IRAM", `extern "C" __attribute__((section(".iram.text"))) void big() { asm volatile(".fill 0x9000, 1, 0"); }
			struct Uses { Uses() { asm volatile("" ::"r"(big)); } } uses;`, "IRAM"},
		{"RAM", `static char big[0x13000]; struct Uses { Uses() { asm volatile("" ::"r"(big)); } } uses;`, "DRAM"},
		{"the RAM that can be loaded", `extern "C" __attribute__((used)) char big[0x12000] = {1};
			struct Uses { Uses() { asm volatile("" ::"r"(big)); } } uses;`, "RAM"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := newSite(t, false)
			must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "socket.cpp"), []byte(device+test.code), 0o666))
			_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}})
			if err == nil {
				t.Fatal("it was built")
			}
			t.Log(err)
			if !strings.HasPrefix(err.Error(), "socket: slot ") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error does not name slot and %s: %v", test.says, err)
			}
			var image *image.TooLargeError
			var overflow *build.OverflowError
			if !errors.As(err, &image) && !errors.As(err, &overflow) {
				t.Errorf("%T does not say by how much", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "build")); err == nil {
				t.Error("a build that failed left files behind")
			}
		})
	}
}

func TestSecretsReachTheFirmwareUnchanged(t *testing.T) {
	password := "\\\"?" + "?=%s\\0 9é{};'"
	t.Setenv(site.PasswordVariable, password)
	r := mustBuild(t, newSite(t, false), build.Options{Types: []string{"socket"}})
	if !bytes.Contains(read(t, r.Types[0].Images[0].Path), []byte(password+"\x00")) {
		t.Error("the password is not in the image as it was given")
	}
}

func TestASourceThatDoesNotCompileIsNamed(t *testing.T) {
	dir := newSite(t, false)
	path := filepath.Join(dir, "devices", "sensor", "sensor.cpp")
	must(t, os.WriteFile(path, []byte("int main( {}\n"), 0o666))
	var log bytes.Buffer
	_, err := buildSite(t, dir, build.Options{Log: &log})
	var refused *build.CompileError
	if !errors.As(err, &refused) || refused.Source != "sensor/sensor.cpp" {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(log.String(), "sensor.cpp:1:") {
		t.Errorf("the log has not what the compiler said:\n%s", &log)
	}
}

func TestWarningsComeAgainUntilTheyAreHeeded(t *testing.T) {
	dir := newSite(t, false)
	path := filepath.Join(dir, "devices", "socket", "unused.c")
	must(t, os.WriteFile(path, []byte("static int unused;\n"), 0o666))
	for range 2 {
		var log bytes.Buffer
		_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}, Log: &log})
		must(t, err)
		if n := strings.Count(log.String(), "unused.c:1:12: warning: "); n != 1 {
			t.Errorf("%d warnings:\n%s", n, &log)
		}
	}
}

// A release first builds the published version again, and then the new one.
func TestAReleaseSaysOnceWhatTheCompilerSays(t *testing.T) {
	dir := newSite(t, false)
	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "unused.c"), []byte("static int unused;\n"), 0o666))
	s, err := site.Open(dir)
	must(t, err)
	var log bytes.Buffer
	o := build.Options{Types: []string{"socket"}, Log: &log, Version: &site.Version{Name: "v1", Sequence: 1}}
	r, err := build.Build(t.Context(), s, o)
	must(t, err)
	images, err := release.ReadImages(filepath.Dir(r.Types[0].Images[0].Path), "socket")
	must(t, err)
	log.Reset()
	o.Version = &site.Version{Name: "v2", Sequence: 2}
	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "more.c"), []byte("int more = 1; static int unused;\n"), 0o666))
	s, err = site.Open(dir)
	must(t, err)
	_, err = build.Changed(t.Context(), s, o, func(string) (*release.Release, error) {
		return &release.Release{Images: images, VersionFile: release.VersionFile{Version: "v1", Sequence: 1}}, nil
	})
	must(t, err)
	_, err = build.Build(t.Context(), s, o)
	must(t, err)
	for _, name := range []string{"unused.c:1:12", "more.c:1:26"} {
		if n := strings.Count(log.String(), name+": warning: "); n != 1 {
			t.Errorf("%d warnings of %s:\n%s", n, name, &log)
		}
	}
}

func TestAChangedFileThatASourceIncludesIsNoticed(t *testing.T) {
	for _, included := range []string{"name.h", "name.cpp"} {
		dir := newSite(t, false)
		devices := filepath.Join(dir, "devices")
		must(t, os.WriteFile(filepath.Join(devices, "socket", "name.cpp"),
			[]byte("#include \"../"+included+"\"\nextern const char* const name;\nconst char* const name = NAME;\n"), 0o666))
		for _, name := range []string{"one", "two"} {
			unique := fmt.Sprintf("#define NAME \"%s%d\"\n", name, time.Now().UnixNano())
			must(t, os.WriteFile(filepath.Join(devices, included), []byte(unique), 0o666))
			r := mustBuild(t, dir, build.Options{Types: []string{"socket"}})
			if !slices.Contains(r.Compiled, "socket/name.cpp") {
				t.Errorf("%s has changed: compiled %v, without socket/name.cpp", included, r.Compiled)
			}
		}
	}
}

func TestWhatABuildLacksIsNamed(t *testing.T) {
	dir := newSite(t, false)
	t.Run("a device type", func(t *testing.T) {
		if _, err := buildSite(t, dir, build.Options{Types: []string{"lamp"}}); err == nil || !strings.Contains(err.Error(), `"lamp"`) {
			t.Errorf("%v", err)
		}
	})
	t.Run("any device type", func(t *testing.T) {
		_, err := build.Build(t.Context(), &site.Site{Dir: dir}, build.Options{})
		if !errors.Is(err, build.ErrNoTypes) {
			t.Errorf("%v", err)
		}
	})
	t.Run("the SDK", func(t *testing.T) {
		t.Setenv(site.SDKVariable, t.TempDir())
		if _, err := buildSite(t, dir, build.Options{}); !errors.Is(err, build.ErrSDK) {
			t.Errorf("%v", err)
		}
	})
	t.Run("the right Monocypher", func(t *testing.T) {
		other := t.TempDir()
		for _, name := range []string{"monocypher.c", "monocypher.h"} {
			must(t, os.WriteFile(filepath.Join(other, name), []byte("/* forged */\n"), 0o666))
		}
		t.Setenv(build.MonocypherVariable, other)
		if _, err := buildSite(t, dir, build.Options{}); !errors.Is(err, build.ErrMonocypher) {
			t.Errorf("%v", err)
		}
	})
	t.Run("the cross compiler", func(t *testing.T) {
		s, err := site.Open(dir)
		must(t, err)
		t.Setenv("PATH", t.TempDir())
		if _, err := build.Build(t.Context(), s, build.Options{Version: first}); !errors.Is(err, build.ErrNoCompiler) {
			t.Errorf("%v", err)
		}
	})
	t.Run("time", func(t *testing.T) {
		needCompiler(t)
		s, err := site.Open(dir)
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := build.Build(ctx, s, build.Options{Version: first}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestTheChipLinkFitsBothSlots(t *testing.T) {
	sdk := os.Getenv("SDK_DIR")
	if sdk == "" {
		t.Skip("SDK_DIR does not name a copy of the vendor's SDK")
	}
	t.Setenv(site.SDKVariable, sdk)
	var log bytes.Buffer
	for _, built := range mustBuild(t, newSite(t, true), build.Options{Log: &log}).Types {
		for slot, i := range built.Images {
			got, err := image.Parse(read(t, i.Path))
			if err != nil || got.Descriptor.Slot != slot || got.Descriptor.Link != image.LinkChip {
				t.Errorf("%s: %v", i.Path, err)
				continue
			}
			got.Descriptor.Link = image.LinkUnmarked
			if got.Link() != image.LinkChip {
				t.Errorf("%s without its mark is taken for one of the emulator's", i.Path)
			}
		}
	}
	if !strings.Contains(log.String(), "build for the chip, SDK ") || !strings.Contains(log.String(), sdk) {
		t.Errorf("it does not say for what it builds:\n%s", &log)
	}
}
