// Package esptool finds and runs the program of that name, which writes a chip's flash over a
// serial line.
package esptool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Variable is the environment variable that names the program, for one that is not found by itself.
const Variable = "ESPER_ESPTOOL"

// The oldest version that is used.
const (
	oldestMajor = 4
	oldestMinor = 8
)

// patience is how long the program may take to say its version: it is Python, on a slow disk
// perhaps.
const patience = 15 * time.Second

// Hint says how to get the program.
const Hint = "pipx install esptool; or name it: " + Variable + "=/path/to/esptool"

// ErrMissing says that the program is not installed.
var ErrMissing = errors.New("esptool is not installed")

// OldError says that the program is too old.
type OldError struct{ Tool Tool }

func (e *OldError) Error() string {
	return fmt.Sprintf("esptool %s (%s) is too old: version %d.%d or newer is needed", e.Tool.Version, e.Tool, oldestMajor, oldestMinor)
}

// Tool is the program.
type Tool struct {
	Command []string // how it is called, without arguments
	Version string   // such as 4.8.1
	Major   int
}

// String returns the command as one types it.
func (t Tool) String() string { return strings.Join(t.Command, " ") }

// Find returns the program that [Variable] names, or the first that is new enough of esptool and
// esptool.py in the PATH and where pipx and pip put them, and Python's module. If there is none,
// the error is an [ErrMissing] or an [OldError].
func Find(ctx context.Context) (Tool, error) {
	if named := os.Getenv(Variable); named != "" {
		t, err := ask(ctx, []string{named})
		if err != nil {
			return Tool{}, fmt.Errorf("%s: %w", Variable, err)
		}
		return t, t.check()
	}
	err := ErrMissing
	for _, command := range candidates() {
		t, asked := ask(ctx, command)
		if asked != nil {
			continue
		}
		old := t.check()
		if old == nil {
			return t, nil
		}
		if errors.Is(err, ErrMissing) {
			err = old
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return Tool{}, err
}

// candidates returns how the program may be called.
func candidates() [][]string {
	var all [][]string
	for _, name := range []string{"esptool", "esptool.py"} {
		if path, err := exec.LookPath(name); err == nil {
			all = append(all, []string{path})
		}
	}
	if home, err := os.UserHomeDir(); err == nil { // where a PATH from before pipx has nothing
		for _, name := range []string{"esptool", "esptool.py"} {
			path := filepath.Join(home, ".local", "bin", name)
			if _, err := os.Stat(path); err == nil {
				all = append(all, []string{path})
			}
		}
	}
	if path, err := exec.LookPath("python3"); err == nil {
		all = append(all, []string{path, "-m", "esptool"})
	}
	return all
}

// said is the program's last line when it is asked for its version.
var said = regexp.MustCompile(`(?m)^(?:esptool(?:\.py)? )?v?((\d{1,4})\.(\d{1,4})[0-9A-Za-z.+-]{0,30})\s*$`)

// ask asks a program for its version.
func ask(ctx context.Context, command []string) (Tool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], "version")...)
	cmd.WaitDelay = time.Second // for what a wrapper leaves behind
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return Tool{}, fmt.Errorf("%s version: no answer in %s", strings.Join(command, " "), patience)
	}
	if err != nil {
		return Tool{}, fmt.Errorf("%s version: %w", strings.Join(command, " "), err)
	}
	match := said.FindSubmatch(out)
	if match == nil {
		return Tool{}, fmt.Errorf("%s version: the answer has no version in it", strings.Join(command, " "))
	}
	major, _ := strconv.Atoi(string(match[2]))
	return Tool{command, string(match[1]), major}, nil
}

// check returns an [OldError] if the program is too old.
func (t Tool) check() error {
	_, rest, _ := strings.Cut(t.Version, ".")
	minor, _ := strconv.Atoi(leadingDigits(rest))
	if t.Major < oldestMajor || t.Major == oldestMajor && minor < oldestMinor {
		return &OldError{t}
	}
	return nil
}

// leadingDigits returns the digits that a text begins with.
func leadingDigits(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}
