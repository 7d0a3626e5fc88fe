package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"esper/internal/build"
	"esper/internal/esptool"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/sandbox"
	"esper/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"esper": main, "without-landlock": withoutLandlock})
}

// withoutLandlock executes a command where the kernel has no Landlock.
func withoutLandlock() {
	err := sandboxtest.WithoutLandlock()
	var program string
	if err == nil {
		program, err = exec.LookPath(os.Args[1])
	}
	if err == nil {
		err = syscall.Exec(program, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestScripts runs the scripts, each in an empty folder of its own with a git that
// knows who commits and has no other settings. "esper" is this program. A script
// that needs a tool says so: [!exec:xtensa-lx106-elf-g++] skip. [confines] is where the
// kernel has Landlock.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts("testdata/script"))
}

// TestChipScripts runs the scripts that need the vendor's SDK, which $SDK_DIR names in them.
func TestChipScripts(t *testing.T) {
	if os.Getenv("SDK_DIR") == "" {
		t.Skip("SDK_DIR does not name a copy of the vendor's SDK")
	}
	testscript.Run(t, scripts("testdata/chip"))
}

// TestEsptoolScripts runs the scripts that need esptool, with each of those in the list of paths ESPTOOL.
func TestEsptoolScripts(t *testing.T) {
	paths := filepath.SplitList(os.Getenv("ESPTOOL"))
	if len(paths) == 0 {
		t.Skip("ESPTOOL does not name an esptool; make test-esptool gets them")
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			p := scripts("testdata/esptool")
			setup := p.Setup
			p.Setup = func(env *testscript.Env) error {
				env.Setenv(esptool.Variable, path)
				return setup(env)
			}
			testscript.Run(t, p)
		})
	}
}

// scripts says how the scripts in a folder are run.
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			env.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(env.WorkDir))
			// Builds find what earlier ones compiled and fetched.
			if cache, err := os.UserCacheDir(); err == nil && os.Getenv(build.CacheVariable) == "" {
				env.Setenv(build.CacheVariable, filepath.Join(cache, "esper"))
			} else {
				env.Setenv(build.CacheVariable, os.Getenv(build.CacheVariable))
			}
			env.Setenv(build.MonocypherVariable, os.Getenv(build.MonocypherVariable))
			env.Setenv("SDK_DIR", os.Getenv("SDK_DIR"))
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "Ada")
				env.Setenv("GIT_"+who+"_EMAIL", "ada@example.org")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"images":       scriptImages,
			"sign":         scriptSign,
			"flash":        scriptFlash,
			"damage":       scriptDamage,
			"exits":        scriptExits,
			"unread":       scriptUnread,
			"private":      scriptPrivate,
			"address":      scriptAddress,
			"listens":      scriptListens,
			"fetch":        scriptFetch,
			"mqtt":         scriptMQTT,
			"appears":      scriptAppears,
			"eventually":   scriptEventually,
			"pipeline":     scriptPipeline,
			"own-password": scriptOwnPassword,
			"logs-in":      scriptLogsIn,
		},
		Condition: func(name string) (bool, error) {
			if name != "confines" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return sandbox.Check() == nil, nil
		},
		RequireUniqueNames: true,
	}
}

// scriptImages packs images as a build does, but of nothing that runs:
// images DIR TYPE VERSION SEQUENCE [LINK].
func scriptImages(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args) > 5 {
		ts.Fatalf("usage: images DIR TYPE VERSION SEQUENCE [LINK]")
	}
	link := image.LinkEmulator
	if len(args) == 5 && args[4] == image.LinkChip.String() {
		link = image.LinkChip
	}
	sequence, err := strconv.ParseUint(args[3], 10, 32)
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o777))
	for slot := range image.Slots {
		packed := packImage(args[1], args[2], uint32(sequence), slot, link)
		path := filepath.Join(ts.MkAbs(args[0]), release.ImageName(args[1], slot))
		ts.Check(os.WriteFile(path, packed, 0o666))
	}
}

// packImage packs an image of nothing that runs.
func packImage(deviceType, version string, sequence uint32, slot int, link image.Link) []byte {
	irom, err := image.Descriptor{
		DeviceType: deviceType, Version: version, Sequence: sequence, Size: 0x1000,
	}.Marshal()
	if err != nil {
		panic(err)
	}
	packed, err := image.Pack(image.Input{
		Entry:    0x40100004,
		IROM:     append(irom, "code that runs from flash"...),
		Segments: []image.Segment{{Addr: 0x40100000, Data: []byte("code")}, {Addr: 0x3FFE8000, Data: []byte("data")}},
		Slot:     slot,
		Link:     link,
	})
	if err != nil {
		panic(err)
	}
	return packed
}

// scriptSign signs the images in a folder: sign DIR TYPE KEY.
func scriptSign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sign DIR TYPE KEY")
	}
	dir := ts.MkAbs(args[0])
	key, err := release.LoadPrivateKey(ts.MkAbs(args[2]))
	ts.Check(err)
	images, err := release.ReadImages(dir, args[1])
	ts.Check(err)
	signed, err := release.Sign(images, key)
	ts.Check(err)
	ts.Check(signed.Write(dir))
}

// scriptFlash makes the content of a flash: flash FILE ROM0 ROM1; "-" for an
// empty slot. Its bootloader does not run.
func scriptFlash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: flash FILE ROM0 ROM1")
	}
	bootloader, err := image.PackBootloader(0x4010E000, []image.Segment{{Addr: 0x4010E000, Data: []byte("boot")}})
	ts.Check(err)
	var roms [image.Slots][]byte
	for slot, name := range args[1:] {
		if name != "-" {
			roms[slot] = []byte(ts.ReadFile(name))
		}
	}
	flash, err := image.NewFlash(bootloader, roms[0], roms[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), flash, 0o666))
}

// scriptDamage flips all bits of one byte: damage FILE OFFSET.
func scriptDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage FILE OFFSET")
	}
	content := []byte(ts.ReadFile(args[0]))
	offset, err := strconv.ParseInt(args[1], 0, 32)
	ts.Check(err)
	if offset < 0 || int(offset) >= len(content) {
		ts.Fatalf("%s has %d bytes", args[0], len(content))
	}
	content[offset] ^= 0xFF
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o666))
}

// scriptExits runs esper, or another program, and checks its exit code:
// exits CODE esper ARGS. Its output can be looked at as after exec.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		coded, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = fmt.Sprint(coded.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, not %s", got, args[0])
	}
}

// scriptPrivate checks that only its owner may read a file: private FILE.
func scriptPrivate(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		if neg != release.ReadableByOthers(ts.MkAbs(name)) {
			ts.Fatalf("%s: readable by others: %v", name, !neg)
		}
	}
}

// scriptUnread runs a command whose standard output is a pipe that nobody reads, and which fails:
// unread PROGRAM ARGS.
func scriptUnread(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: unread PROGRAM ARGS")
	}
	reader, writer, err := os.Pipe()
	ts.Check(err)
	ts.Check(reader.Close())
	defer writer.Close()
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	command := exec.Command(program, args[1:]...)
	command.Dir, command.Stdout, command.Stderr = ts.MkAbs("."), writer, ts.Stderr()
	command.Env = append(os.Environ(), "ESPER_DATABASE="+ts.Getenv("ESPER_DATABASE"))
	if err := command.Run(); err == nil {
		ts.Fatalf("%v did not fail", args)
	}
}
