package build_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"esper/firmware"
	"esper/internal/build"
	"esper/internal/site"
)

// newSite makes a site with three of the shipped device types and returns its folder.
func newSite(t testing.TB, update bool) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"socket", "button", "sensor"} {
		must(t, os.CopyFS(filepath.Join(dir, "devices", name), sub(t, "devices/"+name)))
	}
	config := "realm = \"home\"\n[wifi]\nssid = \"home\"\n[mqtt]\nurl = \"mqtt://10.0.0.7\"\n"
	if update {
		must(t, os.WriteFile(filepath.Join(dir, "release.pub"), publicKey, 0o666))
		config += "[update]\nurl = \"http://10.0.0.7/firmware\"\nkeys = [\"release.pub\"]\n"
	}
	must(t, os.WriteFile(filepath.Join(dir, site.ConfigFile), []byte(config), 0o666))
	return dir
}

// publicKey is always the same, so that the objects are cached.
var publicKey = []byte(`-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`)

func sub(t testing.TB, dir string) fs.FS {
	files, err := fs.Sub(firmware.Files, dir)
	must(t, err)
	return files
}

// first is the version of the builds that do not care.
var first = &site.Version{Name: "1.0", Sequence: 1}

// buildSite builds a site. Where there is no cross compiler, the test ends here.
func buildSite(t testing.TB, dir string, o build.Options) (*build.Result, error) {
	t.Helper()
	needCompiler(t)
	s, err := site.Open(dir)
	must(t, err)
	if o.Version == nil {
		o.Version = first
	}
	return build.Build(t.Context(), s, o)
}

func needCompiler(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("xtensa-lx106-elf-g++"); err != nil {
		t.Skip("no cross compiler: apt-get install gcc-xtensa-lx106 picolibc-xtensa-lx106-elf")
	}
}

// mustBuild builds a site that has nothing wrong.
func mustBuild(t testing.TB, dir string, o build.Options) *build.Result {
	t.Helper()
	result, err := buildSite(t, dir, o)
	var refused *build.CompileError
	if errors.As(err, &refused) {
		t.Fatalf("%v\n%s", err, refused.Output)
	}
	must(t, err)
	return result
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}
