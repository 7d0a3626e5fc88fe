package build_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"esper/internal/build"
)

// Every shipped type, one with a board, constants, settings and a library, and sources in C are as
// right for clang as they are for the cross compiler.
func TestEditorsAreToldHowEachSourceIsCompiled(t *testing.T) {
	dir := newSite(t, false)
	lamp := filepath.Join(dir, "devices", "lamp")
	leds := filepath.Join(dir, "lib", "leds")
	// All that ship: clang must take what they say, too.
	must(t, os.RemoveAll(filepath.Join(dir, "devices")))
	must(t, os.CopyFS(filepath.Join(dir, "devices"), sub(t, "devices")))
	shipped, err := os.ReadDir(filepath.Join(dir, "devices"))
	must(t, err)
	for path, text := range map[string]string{
		filepath.Join(lamp, "device.toml"): "board = \"nodemcu\"\nlibraries = [\"leds\"]\n[constants]\nGPIO = 12\n" +
			"[settings.interval]\ntype = \"number\"\ndefault = 60\n",
		filepath.Join(lamp, "lamp.cpp"): `#include <constants.h>
#include <board.h>
#include <settings.h>
#include <leds.h>
#include <esper/features/Button.h>
#include <esper/features/OnOffFeature.h>
#include <esper/Log.h>
using namespace esper;
struct Wide { char first; uint64_t second; };
static_assert(sizeof(Wide) == 16 && sizeof(wchar_t) == 2 && char(-1) > 0 && sizeof(void*) == 4);
constexpr const char NAME[] = "lamp";
Device device;
OnOffFeature<NAME, constants::GPIO> lamp(&device, true);
int32_t interval() { ESPER_DEBUG("lamp", "%u", 1u); ESPER_LOG("lamp", "asked"); return settings::interval + leds(); }
Device* getDevice() { return &device; }
`,
		filepath.Join(lamp, "more.c"): "#include <constants.h>\n#include <string.h>\nint more = GPIO;\n",
		filepath.Join(leds, "leds.h"): "#include <stdint.h>\nint32_t leds();\n",
		filepath.Join(leds, "leds.cpp"): "#include \"leds.h\"\n#include <leds/leds.h>\n#include <osapi.h>\n" +
			"int32_t leds() { return os_random() & 1; }\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, []byte(text), 0o666))
	}
	mustBuild(t, dir, build.Options{Types: []string{"lamp"}, Editors: true})
	path := filepath.Join(dir, build.CompileCommandsFile)
	var commands []struct {
		Directory, File string
		Arguments       []string
	}
	must(t, json.Unmarshal(read(t, path), &commands))
	var files []string
	for _, c := range commands {
		name, err := filepath.Rel(dir, c.File)
		must(t, err)
		files = append(files, name)
	}
	want := []string{"devices/lamp/lamp.cpp", "devices/lamp/more.c", "lib/leds/leds.cpp"}
	for _, name := range shipped {
		want = append(want, fmt.Sprintf("devices/%[1]s/%[1]s.cpp", name.Name()))
	}
	slices.Sort(files)
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("commands for %v, not %v", files, want)
	}

	before, err := os.Stat(path)
	must(t, err)
	mustBuild(t, dir, build.Options{Types: []string{"lamp"}, Editors: true})
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("a build that changes nothing has written it again: %v", err)
	}

	t.Run("clang", func(t *testing.T) {
		if _, err := exec.LookPath("clang++"); err != nil {
			t.Skip("no clang++: apt-get install clang")
		}
		for _, c := range commands {
			check := func() ([]byte, error) {
				cmd := exec.Command(c.Arguments[0], append(c.Arguments[1:], "-fsyntax-only", "-Werror")...)
				cmd.Dir = c.Directory
				return cmd.CombinedOutput()
			}
			if out, err := check(); err != nil {
				t.Errorf("%s: %v\n%s", c.File, err, out)
			}
			must(t, os.WriteFile(c.File, append(read(t, c.File), "int wrong = nothing;\n"...), 0o666))
			if _, err := check(); err == nil {
				t.Errorf("%s: clang finds no mistake in it", c.File)
			}
		}
	})
}

func TestABuildDoesWithoutEditors(t *testing.T) {
	dir := newSite(t, false)
	must(t, os.Mkdir(filepath.Join(dir, build.CompileCommandsFile), 0o777)) // cannot be replaced
	mustBuild(t, dir, build.Options{Types: []string{"socket"}, Editors: true})

	dir = newSite(t, false)
	mustBuild(t, dir, build.Options{Types: []string{"socket"}})
	if _, err := os.Stat(filepath.Join(dir, build.CompileCommandsFile)); err == nil {
		t.Error("a build that nobody asked for it has written it")
	}
}
