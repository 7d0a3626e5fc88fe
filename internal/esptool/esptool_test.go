package esptool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program writes a program that says something.
func program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// alone makes a PATH with nothing in it but the shell's programs, and a home.
func alone(t *testing.T) (bin, home string) {
	t.Helper()
	bin, home = t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	t.Setenv("HOME", home)
	t.Setenv(Variable, "")
	return bin, home
}

func TestEsptoolIsFoundWhereverItIs(t *testing.T) {
	for name, test := range map[string]struct{ path, says, version string }{
		"in the PATH, 5":    {"bin/esptool", "esptool v5.6.0\\n5.6.0", "5.6.0"},
		"in the PATH, 4":    {"bin/esptool.py", "esptool.py v4.8.1\\n4.8.1", "4.8.1"},
		"a development one": {"bin/esptool", "esptool v5.0.dev1\\n5.0.dev1", "5.0.dev1"},
		"pipx's":            {"home/.local/bin/esptool", "esptool v5.0.0\\n5.0.0", "5.0.0"},
		"Python's module":   {"bin/python3", "esptool.py v4.10\\n4.10", "4.10"},
	} {
		t.Run(name, func(t *testing.T) {
			bin, home := alone(t)
			path := strings.NewReplacer("bin/", bin+"/", "home/", home+"/").Replace(test.path)
			if strings.HasPrefix(test.path, "home") {
				path = filepath.Join(home, strings.TrimPrefix(test.path, "home/"))
			}
			program(t, path, "printf '"+test.says+"\\n'")
			got, err := Find(t.Context())
			if err != nil || got.Version != test.version || got.Command[0] != path || got.Major != int(test.version[0]-'0') {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAnOldEsptoolGivesWayToANewerOne(t *testing.T) {
	bin, home := alone(t)
	program(t, filepath.Join(bin, "esptool"), "echo 'esptool.py v4.7.0'; echo 4.7.0")
	var old *OldError
	if _, err := Find(t.Context()); !errors.As(err, &old) || old.Tool.Version != "4.7.0" || !strings.Contains(err.Error(), "4.8 or newer") {
		t.Errorf("%v", err)
	}
	program(t, filepath.Join(home, ".local/bin/esptool"), "echo 5.1.0")
	if got, err := Find(t.Context()); err != nil || got.Version != "5.1.0" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAMissingEsptoolIsMissing(t *testing.T) {
	bin, _ := alone(t)
	if _, err := Find(t.Context()); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	program(t, filepath.Join(bin, "python3"), "echo 'No module named esptool' >&2; exit 1")
	program(t, filepath.Join(bin, "esptool"), "echo hello")
	if _, err := Find(t.Context()); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestANamedEsptoolIsTheOnlyOne(t *testing.T) {
	bin, home := alone(t)
	program(t, filepath.Join(bin, "esptool"), "echo 5.1.0")
	t.Setenv(Variable, filepath.Join(home, "mine"))
	if _, err := Find(t.Context()); err == nil || !strings.Contains(err.Error(), Variable) {
		t.Error(err)
	}
	program(t, filepath.Join(home, "mine"), "test \"$*\" = version && echo 5.2.0")
	if got, err := Find(t.Context()); err != nil || got.Version != "5.2.0" || got.String() != filepath.Join(home, "mine") {
		t.Errorf("%+v, %v", got, err)
	}
}

// A program that never answers is given up when the context ends.
func TestAnEsptoolThatHangsIsGivenUp(t *testing.T) {
	bin, _ := alone(t)
	program(t, filepath.Join(bin, "esptool"), "PATH=/usr/bin:/bin; sleep 600 & wait")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Find(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
