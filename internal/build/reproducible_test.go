package build_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"esper/internal/build"
	"esper/internal/release"
	"esper/internal/site"
)

// commit makes a site a git repository with one commit.
func commit(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."},
		{"-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "First"},
	} {
		git(t, dir, args...)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

// Two copies of a commit, one cloned from a bare repository, built with another cache,
// by a user with other settings, on what is another day for whoever asks.
func TestACommitGivesTheSameBytesWhoeverBuildsIt(t *testing.T) {
	needCompiler(t)
	dir := newSite(t, true)
	commit(t, dir)
	images := func(dir string) (files map[string][]byte, version string) {
		s, err := site.Open(dir)
		must(t, err)
		r, err := build.Build(t.Context(), s, build.Options{Types: []string{"sensor"}})
		must(t, err)
		files = map[string][]byte{"bootloader": read(t, r.Bootloader)}
		for _, i := range r.Types[0].Images {
			files[filepath.Base(i.Path)], files[filepath.Base(i.ELF)] = read(t, i.Path), read(t, i.ELF)
		}
		return files, r.Types[0].Version
	}
	here, version := images(dir)

	bare, other := filepath.Join(t.TempDir(), "bare.git"), filepath.Join(t.TempDir(), "a copy", "elsewhere")
	git(t, dir, "clone", "-q", "--bare", ".", bare)
	git(t, bare, "clone", "-q", bare, other)
	compileAnew(t)
	t.Setenv("TZ", "Pacific/Apia")
	t.Setenv("LANG", "de_DE.UTF-8")
	t.Setenv("LC_ALL", "C")
	t.Setenv("SOURCE_DATE_EPOCH", "86400")
	t.Setenv("USER", "somebody")
	t.Setenv("TMPDIR", t.TempDir())
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	there, again := images(other)
	if again != version {
		t.Fatalf("version %s here, %s there", version, again)
	}
	for name, content := range here {
		if !bytes.Equal(content, there[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestARebuildSaysWhatIsDifferentInTheFirmware(t *testing.T) {
	dir := newSite(t, true)
	releases := published(t, dir, *first)
	s, err := site.Open(dir)
	must(t, err)
	if err := build.Rebuild(t.Context(), s, releases["socket"], build.Options{}); err != nil {
		t.Errorf("the same sources: %v", err)
	}
	rebuilt := func(r *release.Release) string {
		s, err := site.Open(dir)
		must(t, err)
		err = build.Rebuild(t.Context(), s, r, build.Options{})
		if _, ok := err.(*build.Difference); !ok {
			t.Fatalf("%v is no difference", err)
		}
		return err.Error()
	}

	path := filepath.Join(dir, "devices", "socket", "socket.cpp")
	source := read(t, path)
	must(t, os.WriteFile(path, bytes.Replace(source, []byte("return &device"), []byte("asm volatile(\"nop\"); return &device"), 1), 0o666))
	if says := rebuilt(releases["socket"]); !strings.Contains(says, "slot 0") || !strings.Contains(says, ", in _Z9getDevicev") {
		t.Errorf("another function: %s", says)
	}
	must(t, os.WriteFile(path, source, 0o666))

	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "device.toml"), []byte("flash_mode = \"qio\"\n"), 0o666))
	if says := rebuilt(releases["socket"]); !strings.Contains(says, "flash mode") {
		t.Errorf("another flash mode: %s", says)
	}
}
