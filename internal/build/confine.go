package build

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"esper/internal/sandbox"
)

// What one compiler or linker may use. Ours take some 150 MB and, on a slow computer, some 20 s.
const (
	maxToolMemory = 1 << 30   // bytes
	maxToolFile   = 256 << 20 // bytes of each file that it writes
	maxToolTime   = 10 * time.Minute
)

// toolFiles returns where the tools and what they load may lie: the folders that systems have
// for programs and libraries, those of the toolchain if it is elsewhere, and its archives.
// The rest of a prefix is left out: /usr/src, or the home of who has a toolchain in ~/bin.
func toolFiles(compiler string, library []string) ([]string, error) {
	compiler, err := filepath.EvalSymlinks(compiler)
	if err != nil {
		return nil, err
	}
	paths := []string{"/etc/ld.so.cache", "/nix/store", "/gnu/store"}
	for _, root := range []string{"/", "/usr", "/usr/local", filepath.Dir(filepath.Dir(compiler))} {
		for _, name := range []string{"bin", "lib", "lib32", "lib64", "libexec", strings.TrimSuffix(prefix, "-")} {
			paths = append(paths, filepath.Join(root, name))
		}
	}
	return append(paths, library...), nil
}

// confined are the rules for a tool that may read these files and folders and puts all that it
// writes into temp. A script, which Nix and Guix have around theirs, cannot do without children.
func (t *toolchain) confined(tool, temp string, readable []string) sandbox.Rules {
	return sandbox.Rules{
		Run: t.files, Read: readable, Write: []string{temp}, Children: isScript(tool),
		Memory: maxToolMemory, FileSize: maxToolFile, CPU: maxToolTime,
	}
}

// isScript reports whether a program is for an interpreter.
func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 2)
	_, err = io.ReadFull(f, start)
	return err == nil && string(start) == "#!"
}

var (
	// The compiler, and the assembler's .include.
	notPermitted = regexp.MustCompile(`(?:error: |Error: can't open )(.+?)(?: for reading)?: Permission denied`)
	notFound     = regexp.MustCompile(`Error: file not found: (.+)`) // its .incbin, whatever the reason
	noMemory     = regexp.MustCompile(`out of memory|memory exhausted|Cannot allocate memory`)
	tooLong      = regexp.MustCompile(`(?i)file size limit exceeded|File too large`)
	tooSlow      = regexp.MustCompile(`(?i)cpu time limit exceeded`)
)

// refusal returns what a tool was refused, where its message does not say so; empty: nothing.
// It ran in a folder.
func refusal(dir, output string) string {
	match := notPermitted.FindStringSubmatch(output)
	if match == nil {
		if match = notFound.FindStringSubmatch(output); match != nil {
			path := match[1]
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				match = nil
			}
		}
	}
	switch {
	case match != nil && sandbox.Check() == nil:
		return fmt.Sprintf("%s: a source may include what is in the site's devices/ and lib/ (if the type names a library), and no other files of this machine", match[1])
	case noMemory.MatchString(output):
		return fmt.Sprintf("it takes more memory than a compiler may have, %d MB", maxToolMemory>>20)
	case tooLong.MatchString(output):
		return fmt.Sprintf("it makes a longer file than a compiler may write, %d MB", maxToolFile>>20)
	case tooSlow.MatchString(output):
		return fmt.Sprintf("it takes more time than a compiler may have, %v", maxToolTime)
	}
	return ""
}
