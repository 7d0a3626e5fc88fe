package build_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/internal/build"
	"esper/internal/release"
	"esper/internal/site"
)

// published builds a site and returns its device types' releases as if published.
func published(t testing.TB, dir string, v site.Version) map[string]*release.Release {
	t.Helper()
	releases := map[string]*release.Release{}
	for _, built := range mustBuild(t, dir, build.Options{Version: &v, Dir: t.TempDir()}).Types {
		r := &release.Release{Type: built.Name}
		r.Version, r.Sequence = v.Name, v.Sequence
		for slot, i := range built.Images {
			r.Images[slot] = read(t, i.Path)
		}
		releases[built.Name] = r
	}
	return releases
}

// changed returns what has changed since, and what was said to be done.
func changed(t testing.TB, dir string, releases map[string]*release.Release) ([]string, string) {
	t.Helper()
	s, err := site.Open(dir)
	must(t, err)
	var log bytes.Buffer
	list, err := build.Changed(t.Context(), s, build.Options{Log: &log}, func(name string) (*release.Release, error) {
		if r := releases[name]; r != nil {
			return r, nil
		}
		return nil, fs.ErrNotExist
	})
	must(t, err)
	return list, log.String()
}

func TestOnlyDeviceTypesWithAnotherFirmwareHaveChanged(t *testing.T) {
	dir := newSite(t, true)
	releases := published(t, dir, site.Version{Name: fmt.Sprint("v", time.Now().UnixNano()), Sequence: 7})
	list, log := changed(t, dir, releases)
	if len(list) > 0 {
		t.Errorf("%v have changed, though nothing was done", list)
	}
	if log != "" {
		t.Errorf("an unchanged site took work:\n%s", log)
	}

	edit := func(name, before, after string) {
		path := filepath.Join(dir, "devices", name, name+".cpp")
		source := string(read(t, path))
		if !strings.Contains(source, before) {
			t.Fatalf("%s does not contain %q", path, before)
		}
		must(t, os.WriteFile(path, []byte(strings.Replace(source, before, after, 1)), 0o666))
	}
	edit("socket", "false, 1>", "false, 250>")
	edit("button", "#include", "// A comment.\n\n#include")
	list, log = changed(t, dir, releases)
	if !slices.Equal(list, []string{"socket"}) {
		t.Errorf("%v have changed, not the socket alone", list)
	}
	if strings.Contains(log, "sensor") {
		t.Errorf("the sensor was built again:\n%s", log)
	}

	t.Setenv(site.PasswordVariable, "another password")
	if list, _ := changed(t, dir, releases); len(list) != 3 {
		t.Errorf("%v have changed, not all, with another password", list)
	}
}

// A site's board takes the place of the one that ships: its pins and flash mode are in the firmware,
// what it says to people is not.
func TestWhatABoardSaysOfPinsChangesTheFirmware(t *testing.T) {
	dir := newSite(t, true)
	releases := published(t, dir, site.Version{Name: fmt.Sprint("v", time.Now().UnixNano()), Sequence: 7})
	const board = "title = \"Mine\"\nflash_size = \"4MB\"\nnotes = [\"a note\"]\n"
	const pins = "[pins]\nbutton = { gpio = 0, inverted = true }\nrelay = { gpio = 12 }\nled = { gpio = 2 }\n"
	must(t, os.Mkdir(filepath.Join(dir, "boards"), 0o777))
	for text, want := range map[string][]string{
		board + pins:                                nil,
		board + "flash_mode = \"dio\"\n" + pins:     {"button"},
		board + strings.Replace(pins, "12", "5", 1): {"button"},
		board + strings.Replace(pins, "gpio = 12", "gpio = 12, inverted=true", 1): {"button"},
	} {
		must(t, os.WriteFile(filepath.Join(dir, "boards", "sonoff-basic.toml"), []byte(text), 0o666))
		if list, _ := changed(t, dir, releases); !slices.Equal(list, want) {
			t.Errorf("%v have changed, not %v, with\n%s", list, want, text)
		}
	}
}

func TestATypeWithoutAReleaseOfACommitHasChanged(t *testing.T) {
	dir := newSite(t, true)
	releases := published(t, dir, *first)
	for name, r := range published(t, dir, site.Version{Name: "8a1b2c3d+dirty"}) {
		if name == "button" {
			releases[name] = r
		}
	}
	delete(releases, "socket")
	if list, _ := changed(t, dir, releases); !slices.Equal(list, []string{"button", "socket"}) {
		t.Errorf("%v have changed, not the development build and what was never released", list)
	}
}

func TestAReleaseThatCannotBeReadIsNotTakenForAnyOther(t *testing.T) {
	s, err := site.Open(newSite(t, true))
	must(t, err)
	broken := errors.New("the disk is broken")
	_, err = build.Changed(t.Context(), s, build.Options{}, func(string) (*release.Release, error) { return nil, broken })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "button") {
		t.Errorf("%v", err)
	}
}

func TestARepeatedBuildOfAnUnchangedSiteDoesNothing(t *testing.T) {
	t.Setenv(site.PasswordVariable, "kryptonite9") // or it would warn that there is none
	dir := newSite(t, true)
	version := &site.Version{Name: fmt.Sprint("v", time.Now().UnixNano()), Sequence: 2}
	options := build.Options{Version: version}
	if r := mustBuild(t, dir, options); len(r.Compiled) != 3 || len(r.Linked) < 6 {
		t.Errorf("compiled %v, linked %v at first", r.Compiled, r.Linked)
	}
	long := time.Now().Add(-time.Hour)
	files, err := filepath.Glob(filepath.Join(dir, "build", "*"))
	must(t, err)
	for _, path := range files {
		must(t, os.Chtimes(path, long, long))
	}
	var log bytes.Buffer
	options.Log = &log
	r := mustBuild(t, dir, options)
	if len(r.Compiled) > 0 || len(r.Linked) > 0 || strings.Count(log.String(), "\n") != 1 || !strings.HasPrefix(log.String(), "build for the emulator") {
		t.Errorf("compiled %v, linked %v, said %q though nothing has changed", r.Compiled, r.Linked, &log)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(long) {
			t.Errorf("%s was written again: %v", path, err)
		}
	}

	// What is missing or damaged in the build folder is made again, and only that.
	elf := filepath.Join(dir, "build", "socket.elf1")
	must(t, os.Remove(elf))
	image := filepath.Join(dir, "build", "button.rom0")
	want := read(t, image)
	must(t, os.WriteFile(image, want[1:], 0o666))
	r = mustBuild(t, dir, options)
	if !slices.Equal(r.Linked, []string{"socket slot 1"}) || len(read(t, elf)) == 0 || !bytes.Equal(read(t, image), want) {
		t.Errorf("linked %v for a lost ELF file and a damaged image", r.Linked)
	}
}

func TestAProgramDamagedInTheCacheIsLinkedAnew(t *testing.T) {
	needCompiler(t)
	cache := linkAnew(t)
	dir := newSite(t, false)
	options := build.Options{Types: []string{"socket"}}
	want := read(t, mustBuild(t, dir, options).Types[0].Images[0].Path)
	kept, err := filepath.Glob(filepath.Join(cache, "linked", "*", "image"))
	must(t, err)
	if len(kept) != 3 {
		t.Fatalf("the cache keeps %d programs, not the bootloader and two slots", len(kept))
	}
	for _, path := range kept {
		must(t, os.Truncate(path, 0)) // as after a power cut
	}
	r := mustBuild(t, dir, options)
	if len(r.Linked) != 3 || !bytes.Equal(read(t, r.Types[0].Images[0].Path), want) {
		t.Errorf("linked %v again", r.Linked)
	}
	if r := mustBuild(t, dir, options); len(r.Linked) != 0 {
		t.Errorf("linked %v once more", r.Linked)
	}
}
