package site

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// committedSite is a site with a library and one commit, and its version.
func committedSite(t *testing.T) (dir string, version Version) {
	t.Helper()
	needGit(t)
	dir = newSite(t, good)
	write(t, filepath.Join(dir, "lib/leds/leds.h"), "")
	runGit(t, dir, "init", "--quiet")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	version = Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 1}
	wantVersion(t, dir, version)
	return dir, version
}

func TestWhatABuildReadsIsInTheCommitOrNamed(t *testing.T) {
	const source = "devices/socket/socket.cpp"
	for _, test := range []struct {
		name, change string
		prepare      func(t *testing.T, dir string)
	}{
		{"ignored", "devices/socket/secrets.h", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".gitignore"), "secrets.h\n")
			write(t, filepath.Join(dir, "devices/socket/secrets.h"), "")
		}},
		{"ignored in this clone", "lib/leds/secrets.h", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".git/info/exclude"), "secrets.h\n")
			write(t, filepath.Join(dir, "lib/leds/secrets.h"), "")
		}},
		{"ignored by a setting", "devices/socket/secrets.h", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "../excludes"), "secrets.h\n")
			runGit(t, dir, "config", "core.excludesFile", filepath.Join(dir, "../excludes"))
			write(t, filepath.Join(dir, "devices/socket/secrets.h"), "")
		}},
		{"new files are not to be shown", "devices/new.h", func(t *testing.T, dir string) {
			runGit(t, dir, "config", "status.showUntrackedFiles", "no")
			write(t, filepath.Join(dir, "devices/new.h"), "")
		}},
		{"assumed unchanged", source, func(t *testing.T, dir string) {
			runGit(t, dir, "update-index", "--assume-unchanged", source)
			write(t, filepath.Join(dir, source), "// other")
		}},
		{"not in the work tree", "lib/leds/leds.h", func(t *testing.T, dir string) {
			runGit(t, dir, "update-index", "--skip-worktree", "lib/leds/leds.h")
			os.RemoveAll(filepath.Join(dir, "lib/leds"))
		}},
		{"of the same time and size", source, func(t *testing.T, dir string) {
			runGit(t, dir, "config", "core.trustctime", "false")
			path, then := filepath.Join(dir, source), time.Unix(1e9, 0)
			for _, content := range []string{"// one", "// two"} {
				write(t, path, content)
				if err := os.Chtimes(path, then, then); err != nil {
					t.Fatal(err)
				}
				if content == "// one" {
					runGit(t, dir, "commit", "--quiet", "--all", "--message", "One")
				}
			}
			if status := runGit(t, dir, "status", "--porcelain", "--", source); status != "" {
				t.Errorf("git does see it: %s", status)
			}
		}},
		{"filtered", source, func(t *testing.T, dir string) {
			runGit(t, dir, "config", "filter.x.clean", "git show HEAD:"+source)
			write(t, filepath.Join(dir, ".git/info/attributes"), "*.cpp filter=x\n")
			write(t, filepath.Join(dir, source), "// other")
		}},
		{"behind a link", "devices/common.h", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "../common.h"), "")
			if err := os.Symlink("../../common.h", filepath.Join(dir, "devices/common.h")); err != nil {
				t.Fatal(err)
			}
			runGit(t, dir, "add", ".")
			runGit(t, dir, "commit", "--quiet", "--message", "Link")
		}},
		{"in a submodule", "lib/other/other.h", func(t *testing.T, dir string) {
			runGit(t, dir, "init", "--quiet", "lib/other")
			write(t, filepath.Join(dir, "lib/other/other.h"), "")
			runGit(t, filepath.Join(dir, "lib/other"), "add", "other.h")
			runGit(t, filepath.Join(dir, "lib/other"), "commit", "--quiet", "--message", "Other")
			runGit(t, dir, "add", "lib/other")
			runGit(t, dir, "commit", "--quiet", "--message", "Submodule")
			os.RemoveAll(filepath.Join(dir, "lib/other/.git"))
		}},
		{"a key", "release.pub", func(t *testing.T, dir string) {
			runGit(t, dir, "rm", "--quiet", "--cached", "release.pub")
			runGit(t, dir, "commit", "--quiet", "--message", "No key")
		}},
		{"a board", "boards/lamp.toml", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".gitignore"), "boards\n")
			write(t, filepath.Join(dir, "boards/lamp.toml"), "")
		}},
		{"secrets", "secrets.toml", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "secrets.toml"), "")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, _ := committedSite(t)
			test.prepare(t, dir)
			wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8] + "+dirty", Dirty: true, Change: test.change})
		})
	}
}

func TestWhatNoBuildReadsChangesNoVersion(t *testing.T) {
	dir, version := committedSite(t)
	for _, name := range []string{"notes.md", "build/socket.rom0", "devices/.DS_Store", "devices/socket/.socket.cpp.swp", "devices/socket/socket.cpp~", "lib/leds/#leds.h#"} {
		write(t, filepath.Join(dir, name), "")
	}
	if err := os.Symlink("ada@host.1:2", filepath.Join(dir, "devices/socket/.#socket.cpp")); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, dir, version)
}

// Each of these settings makes git answer something else, or start a program.
func TestTheUsersConfigurationChangesNoVersion(t *testing.T) {
	dir, version := committedSite(t)
	home := t.TempDir()
	write(t, filepath.Join(home, ".gitconfig"), `
[core]
	fsmonitor = touch started; false
	hooksPath = `+home+`
	quotePath = true
	abbrev = 4
	pager = touch started
[log]
	showSignature = true
[color]
	ui = always
[status]
	short = true
	branch = true
`)
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	runGit(t, dir, "config", "log.showSignature", "true")
	runGit(t, dir, "config", "color.ui", "always")
	runGit(t, dir, "config", "core.fsmonitor", "touch started; false")
	for _, variable := range []string{"GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"} {
		t.Setenv(variable, home)
	}
	wantVersion(t, dir, version)
	if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
		t.Error("git started a program")
	}
}

// A graft or a replaced commit would make the history look longer than it is.
func TestReplacedCommitsDoNotCount(t *testing.T) {
	dir, version := committedSite(t)
	runGit(t, dir, "checkout", "--quiet", "--orphan", "other")
	runGit(t, dir, "commit", "--quiet", "--message", "Other")
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "--message", "More")
	other := runGit(t, dir, "rev-parse", "HEAD")
	runGit(t, dir, "checkout", "--quiet", version.Name)
	runGit(t, dir, "replace", "HEAD", other)
	wantVersion(t, dir, version)
}

func TestASiteWhoseObjectsHaveLongNames(t *testing.T) {
	needGit(t)
	dir := newSite(t, good)
	runGit(t, dir, "init", "--quiet", "--object-format=sha256")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8], Sequence: 1})
	write(t, filepath.Join(dir, "devices/socket/socket.cpp"), "// other")
	wantVersion(t, dir, Version{Name: runGit(t, dir, "rev-parse", "HEAD")[:8] + "+dirty", Dirty: true, Change: "devices/socket/socket.cpp"})
}
