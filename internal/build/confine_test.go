package build_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/build"
	"esper/internal/sandbox"
	"esper/internal/sandbox/sandboxtest"
	"esper/internal/site"
)

func needSandbox(t *testing.T) {
	t.Helper()
	if err := sandbox.Check(); err != nil {
		t.Skip(err)
	}
}

// The compiler could take all of these keys: they are C++, too.
const key = "\"kryptonite9\" /* kryptonite9 */\n"

func TestASourceReadsNothingOutsideTheSitesSources(t *testing.T) {
	needSandbox(t)
	needCompiler(t)
	objects := filepath.Join(cacheFolder(t), "objects")
	must(t, os.MkdirAll(objects, 0o700))
	another, err := os.CreateTemp(objects, "another-*.o")
	must(t, err)
	t.Cleanup(func() { os.Remove(another.Name()) })
	_, err = another.WriteString(key)
	must(t, errors.Join(err, another.Close()))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.key")
	must(t, os.WriteFile(elsewhere, []byte(key), 0o600))
	incbin := "asm(\".section .rodata\\n.incbin \\\"%s\\\"\\n.text\");"
	for _, c := range []struct {
		name, source string
		link         string // a link in the type's folder to what lies elsewhere
	}{
		{"absolute", "const char stolen[] =\n#include \"" + elsewhere + "\"\n;", ""},
		{"relative", "const char stolen[] =\n#include \"../../release.key\"\n;", ""},
		{"assembler", fmt.Sprintf(incbin, elsewhere), ""},
		{"assembler relative", fmt.Sprintf(incbin, "../../release.key"), ""},
		{"assembler source", "asm(\".include \\\"" + elsewhere + "\\\"\");", ""},
		{"linked header", "const char stolen[] =\n#include \"stolen.h\"\n;", "stolen.h"},
		{"linked source", "", "stolen.c"},
		{"linked binary", fmt.Sprintf(incbin, "stolen.bin"), "stolen.bin"},
		{"configuration", "#include \"../../esper.toml\"", ""},
		{"history", "#include \"../../.git/config\"", ""},
		{"another's objects", fmt.Sprintf(incbin, another.Name()), ""},
		{"through the firmware", "#include <esper/../../../objects/" + filepath.Base(another.Name()) + ">", ""},
		{"system", "#include \"/etc/passwd\"", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newSite(t, true)
			must(t, os.WriteFile(filepath.Join(dir, "release.key"), []byte(key), 0o600))
			must(t, os.Mkdir(filepath.Join(dir, ".git"), 0o777))
			must(t, os.WriteFile(filepath.Join(dir, ".git", "config"), []byte(key), 0o600))
			add(t, filepath.Join(dir, "devices", "socket", "socket.cpp"), c.source)
			if c.link != "" {
				must(t, os.Symlink(elsewhere, filepath.Join(dir, "devices", "socket", c.link)))
			}
			var log bytes.Buffer
			_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}, Log: &log})
			var refused *build.CompileError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "devices/ and lib/") {
				t.Errorf("%v, not that it may not be read", err)
			}
			if !strings.Contains(log.String(), "devices/ and lib/") {
				t.Errorf("the log does not say why:\n%s", &log)
			}
			if strings.Contains(log.String()+fmt.Sprint(err), "kryptonite9") {
				t.Errorf("the key is in the log:\n%s", &log)
			}
			mustNotHold(t, filepath.Join(dir, "build"), "kryptonite9")
		})
	}
}

// A warning shows the line, of whatever file the source says that it stands in.
func TestAWarningQuotesNoOtherFile(t *testing.T) {
	needSandbox(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.key")
	must(t, os.WriteFile(elsewhere, []byte(key), 0o600))
	dir := newSite(t, true)
	add(t, filepath.Join(dir, "devices", "socket", "socket.cpp"), "#line 1 \""+elsewhere+"\"\nstatic int unused;")
	var log bytes.Buffer
	mustBuild(t, dir, build.Options{Types: []string{"socket"}, Log: &log})
	if !strings.Contains(log.String(), elsewhere+":1:") {
		t.Errorf("there is no warning:\n%s", &log)
	}
	if strings.Contains(log.String(), "kryptonite9") {
		t.Errorf("the key is in the log:\n%s", &log)
	}
}

func TestASourceReadsWhatBelongsToTheSitesSources(t *testing.T) {
	dir := newSite(t, true)
	devices := filepath.Join(dir, "devices")
	for path, text := range map[string]string{
		"devices/common.h":           "#pragma once\n#define COMMON 1\n",
		"devices/button/extra/own.h": "#define OWN 2\n",
		"devices/socket/sound.bin":   "some sound",
		"devices/socket/device.toml": "libraries = [\"leds\"]\n[constants]\nGPIO = 12\n",
		"lib/leds/leds.h":            "int leds();\n",
		"lib/leds/leds.cpp":          "#include \"leds.h\"\n#include <colours/colours.h>\nint leds() { return RED; }\n",
		"lib/colours/colours.h":      "#define RED 3\n",
	} {
		path = filepath.Join(dir, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, []byte(text), 0o666))
	}
	must(t, os.Symlink("../common.h", filepath.Join(devices, "socket", "linked.h")))
	add(t, filepath.Join(devices, "socket", "socket.cpp"), `
#include "../common.h"
#include "linked.h"
#include "../button/extra/own.h"
#include <constants.h>
#include <leds.h>
#include <string.h>
#include "../../lib/colours/colours.h"
asm(".section .rodata\n.incbin \"sound.bin\"\n.text");
static_assert(COMMON + OWN + constants::GPIO == 15);
`)
	mustBuild(t, dir, build.Options{Types: []string{"socket"}})
}

// A source's name is an argument of the compiler, to which @x.c is a file of options, and -wrapper
// an option that starts a program. A site refuses the name, and the compiler gets it with a path.
func TestTheNameOfASourceIsNoOption(t *testing.T) {
	dir, proof := newSite(t, true), filepath.Join(t.TempDir(), "proof")
	s, err := site.Open(dir)
	must(t, err)
	socket, err := s.Type("socket")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(socket.Dir, "x.c"),
		[]byte(`-wrapper /bin/sh,-c,"id >&2; id >`+proof+`; exit 1" -x c -c socket.cpp -o /dev/null`), 0o666))
	must(t, os.WriteFile(filepath.Join(socket.Dir, "@x.c"), []byte("// "+proof), 0o666)) // never compiled before
	again, err := site.Open(dir)
	must(t, err)
	if _, err := again.Type("socket"); err == nil || !strings.Contains(err.Error(), "@x.c") {
		t.Errorf("the device type is taken: %v", err)
	}
	socket.Sources = append(socket.Sources, "@x.c") // as if the site had taken it
	s.Types = []site.DeviceType{socket}
	needCompiler(t)
	var log bytes.Buffer
	if _, err := build.Build(t.Context(), s, build.Options{Version: first, Log: &log}); err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	if _, err := os.Stat(proof); err == nil || strings.Contains(log.String(), "uid=") {
		t.Errorf("the commit ran a program:\n%s", &log)
	}
	sandboxtest.Again(t)
}

// The variables would lead the compiler to other headers, programs and libraries, and messages to
// another language. The compilers here are scripts, as in Nix, which say what else they are told.
func TestACompilerHasAnEnvironmentOfOurs(t *testing.T) {
	needCompiler(t)
	elsewhere, bin := t.TempDir(), filepath.Join(t.TempDir(), "bin")
	must(t, os.WriteFile(filepath.Join(elsewhere, "leaked.h"), nil, 0o666))
	must(t, os.Mkdir(bin, 0o777))
	for _, tool := range []string{"g++", "gcc", "ld"} {
		path, err := exec.LookPath("xtensa-lx106-elf-" + tool)
		must(t, err)
		script := "#!/bin/sh\ntest $(env | grep -c -v -E '^(PATH|LC_ALL|TMPDIR|CCACHE_DISABLE|PWD|OLDPWD|SHLVL|_)=') = 0 || { env; exit 1; }\nexec " + path + " \"$@\"\n"
		must(t, os.WriteFile(filepath.Join(bin, "xtensa-lx106-elf-"+tool), []byte(script), 0o777))
	}
	t.Setenv("PATH", ".:"+bin+":"+os.Getenv("PATH"))
	for _, name := range []string{"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "COMPILER_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "PGPASSWORD"} {
		t.Setenv(name, elsewhere)
	}
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	dir := newSite(t, true)
	add(t, filepath.Join(dir, "devices", "socket", "socket.cpp"), "// "+elsewhere+"\n#if __has_include(<leaked.h>)\n#error\n#endif")
	mustBuild(t, dir, build.Options{Types: []string{"socket"}})
	sandboxtest.Again(t)
}

func TestASourceCannotHaveAllMemoryOrDisk(t *testing.T) {
	for source, want := range map[string]string{
		`asm(".rept 80000000\nnop\n.endr");`:         "more memory than a compiler may have, 1024 MB",
		`asm(".section .rodata\n.space 300000000");`: "longer file than a compiler may write, 256 MB",
	} {
		dir := newSite(t, true)
		add(t, filepath.Join(dir, "devices", "socket", "socket.cpp"), source)
		_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestNotAllThatACompilerSaysIsHeard(t *testing.T) {
	dir := newSite(t, true)
	add(t, filepath.Join(dir, "devices", "socket", "socket.cpp"), `asm(".rept 50000\n.error \"and so on\"\n.endr");`)
	_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}})
	var refused *build.CompileError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "Error: and so on") {
		t.Fatal(err)
	}
	if len(refused.Output) != 1<<20 {
		t.Errorf("%d bytes are kept", len(refused.Output))
	}
}

// add adds text to a file.
func add(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, append(read(t, path), "\n"+text+"\n"...), 0o666))
}

// mustNotHold fails if any file in a folder holds a text.
func mustNotHold(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && entry.IsDir() {
			return nil
		}
		if err == nil && bytes.Contains(read(t, path), []byte(text)) {
			t.Errorf("%s holds it", path)
		}
		return err
	})
	must(t, err)
}
