package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newRepository makes a bare repository.
func newRepository(t *testing.T) Repository {
	t.Helper()
	r := Repository{Dir: t.TempDir(), Bare: true}
	if _, err := r.Run(t.Context(), "init", "--quiet", "--bare"); err != nil {
		t.Fatal(err)
	}
	return r
}

// object makes an object and returns its name. It need not make sense.
func object(t *testing.T, r Repository, kind, content string) string {
	t.Helper()
	cmd := exec.Command("git", "--git-dir="+r.Dir, "hash-object", "--literally", "-t", kind, "-w", "--stdin")
	cmd.Stdin = strings.NewReader(content)
	name, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// entry is an entry of a tree object.
func entry(t *testing.T, mode, name, object string) string {
	t.Helper()
	hash, err := hex.DecodeString(object)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s\x00%s", mode, name, hash)
}

func commit(t *testing.T, r Repository, tree string) string {
	return object(t, r, "commit", "tree "+tree+"\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nA\n")
}

func TestACheckoutWritesFilesAndLinks(t *testing.T) {
	r := newRepository(t)
	blob := object(t, r, "blob", "line\n")
	below := object(t, r, "tree", entry(t, "100755", "program", blob)+entry(t, "120000", "up", object(t, r, "blob", "../file")))
	c := commit(t, r, object(t, r, "tree", entry(t, "40000", "below", below)+entry(t, "100644", "empty", object(t, r, "blob", ""))+
		entry(t, "100644", "file", blob)+entry(t, "160000", "module", strings.Repeat("1", 40))))
	dir := t.TempDir()
	if err := r.Checkout(t.Context(), c, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "line\n", "empty": "", "below/program": "line\n", "below/up": "line\n"} {
		if content, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "below/program")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestACheckoutStaysInItsFolder(t *testing.T) {
	for name, entries := range map[string]func(r Repository, blob string) string{
		"above":          func(r Repository, blob string) string { return entry(t, "100644", "..", blob) },
		"git's":          func(r Repository, blob string) string { return entry(t, "100644", ".GIT", blob) },
		"absolute":       func(r Repository, blob string) string { return entry(t, "100644", "/tmp/x", blob) },
		"with a path":    func(r Repository, blob string) string { return entry(t, "100644", "a/../../x", blob) },
		"without a name": func(r Repository, blob string) string { return entry(t, "100644", "", blob) },
		"twice": func(r Repository, blob string) string {
			return entry(t, "100644", "a", blob) + entry(t, "100644", "a", blob)
		},
		"a link that leads out": func(r Repository, blob string) string {
			return entry(t, "120000", "a", object(t, r, "blob", "../elsewhere"))
		},
		"a link that is a folder, too": func(r Repository, blob string) string {
			return entry(t, "120000", "a", object(t, r, "blob", "..")) + entry(t, "40000", "a", object(t, r, "tree", entry(t, "100644", "x", blob)))
		},
		"a blob that is none":      func(r Repository, blob string) string { return entry(t, "100644", "a", object(t, r, "tree", "")) },
		"a blob that is not there": func(r Repository, blob string) string { return entry(t, "100644", "a", strings.Repeat("1", 40)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t)
			outside := t.TempDir()
			dir := filepath.Join(outside, "dir")
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			c := commit(t, r, object(t, r, "tree", entries(r, object(t, r, "blob", "x"))))
			if err := r.Checkout(t.Context(), c, dir); err == nil {
				t.Error("it is checked out")
			}
			if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
				t.Errorf("%v, %v", names, err)
			}
			if _, err := os.Stat("/tmp/x"); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
}

func TestGitsMemoryIsLimited(t *testing.T) {
	program, args := Limited("/bin/sh", "-c", "ulimit -d")
	if said, err := exec.Command(program, args...).Output(); err != nil || string(said) != fmt.Sprintln(maxMemory>>10) {
		t.Errorf("%s, %v", said, err)
	}
}

func TestWhatGitSaysIsReadOnlySoFar(t *testing.T) {
	r := newRepository(t)
	c := object(t, r, "commit", "tree "+object(t, r, "tree", "")+"\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n"+strings.Repeat("x", maxOutput))
	if _, _, err := r.Author(t.Context(), c); !errors.Is(err, errTooLong) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Run(ctx, "version"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNoRepositoryAndNoCommitAreToldFromErrors(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	r := newRepository(t)
	for _, r := range []Repository{r, {Dir: t.TempDir()}} {
		if _, err := r.Commit(t.Context(), "HEAD"); !errors.Is(err, ErrNone) {
			t.Errorf("%v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "config"), []byte("["), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), "HEAD"); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

// What gives access to other repositories is the user's, and nothing else is.
func TestTheUserReachesOtherRepositories(t *testing.T) {
	home := t.TempDir()
	other := newRepository(t)
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[url \""+other.Dir+"\"]\n\tinsteadOf = house:\n[safe]\n\tdirectory = /house\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_DIR", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	r := newRepository(t)
	if _, err := r.RunAsUser(t.Context(), "ls-remote", "house:"); err != nil {
		t.Error(err)
	}
	if _, err := r.Run(t.Context(), "ls-remote", "house:"); err == nil {
		t.Error("the user's configuration counts")
	}
}
