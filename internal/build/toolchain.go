package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"esper/internal/sandbox"
)

// ErrNoCompiler says that the cross compiler, or the C library that belongs to
// it, is not installed.
var ErrNoCompiler = errors.New("the cross compiler is not installed")

const prefix = "xtensa-lx106-elf-"

// toolchain is the cross compiler.
type toolchain struct {
	name     string   // what the compiler calls itself
	identity string   // changes with the compiler and the C library
	library  []string // the archives of both
	files    []string // what it reads and executes of the system
}

// findToolchain asks the compiler what it is.
func findToolchain(ctx context.Context) (*toolchain, error) {
	t := &toolchain{}
	for _, tool := range []string{"g++", "ld"} {
		version, err := command(ctx, tool, "--version").Output()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%w: no %s%s", ErrNoCompiler, prefix, tool)
		}
		if err != nil {
			return nil, fmt.Errorf("%s%s --version: %w", prefix, tool, err)
		}
		line, _, _ := strings.Cut(string(version), "\n")
		if t.name == "" {
			t.name = line
		}
		t.identity += line + "\n"
	}
	for _, name := range []string{"libc.a", "libgcc.a"} {
		out, err := command(ctx, "gcc", "-print-file-name="+name).Output()
		if err != nil {
			return nil, fmt.Errorf("%sgcc -print-file-name=%s: %w", prefix, name, err)
		}
		path := strings.TrimSpace(string(out))
		if !filepath.IsAbs(path) { // gcc answers with the bare name when it has no such file
			return nil, fmt.Errorf("%w: no %s", ErrNoCompiler, name)
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		t.identity += fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().Unix())
		t.library = append(t.library, path)
	}
	var err error
	if t.files, err = toolFiles(command(ctx, "g++").Path, t.library); err != nil {
		return nil, err
	}
	// What was compiled without may hold files that were none of the compiler's business, or be
	// another with CPATH in the environment.
	t.identity += "own environment\n"
	if sandbox.Check() == nil {
		t.identity += "confined\n"
	}
	return t, nil
}

// command is a call of a tool, with an environment of ours: CPATH, LIBRARY_PATH or GCC_EXEC_PREFIX
// would change what is built, LANG the messages that are looked into, and PGPASSWORD is none of its
// business. A ccache that stands for the compiler could not write to its cache.
func command(ctx context.Context, tool string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, prefix+tool, args...)
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return !filepath.IsAbs(dir) })
	cmd.Env = []string{"PATH=" + strings.Join(path, string(filepath.ListSeparator)), "LC_ALL=C", "CCACHE_DISABLE=1"}
	return cmd
}

// toolError is a compiler or linker that failed.
type toolError struct {
	tool   string
	output string
	err    error
}

func (e *toolError) Error() string { return fmt.Sprintf("%s: %v", e.tool, e.err) }
func (e *toolError) Unwrap() error { return e.err }

// maxSaid is how much of what a tool says is heard, in bytes: it can be made to say
// the same without end.
const maxSaid = 1 << 20

// said is the beginning of what a tool says.
type said struct{ text []byte }

func (s *said) Write(p []byte) (int, error) {
	s.text = append(s.text, p[:min(len(p), maxSaid-len(s.text))]...)
	return len(p), nil
}

func (s *said) String() string { return string(s.text) }

// run runs a tool in a folder and returns all that it says. It can read those files and folders, and
// nothing else that is not the toolchain's, since what it compiles may be another's. It puts its own
// files into temp, which the caller removes: the assembly has the passwords in it, and stays if the
// tool is killed.
func (t *toolchain) run(ctx context.Context, dir, temp string, readable []string, tool string, args ...string) (string, error) {
	steps, err := plan(ctx, dir, temp, tool, args)
	if err != nil {
		return "", err
	}
	var output said
	for _, step := range steps {
		cmd := command(ctx, tool, step[1:]...)
		cmd.Path = step[0]
		if filepath.Base(cmd.Path) == "collect2" { // it would start the linker
			cmd.Path, cmd.Err = exec.LookPath(prefix + "ld")
		}
		name := filepath.Base(cmd.Path)
		cmd.Dir, cmd.Env = dir, append(cmd.Env, "TMPDIR="+temp)
		cmd.Stdout, cmd.Stderr = &output, &output
		err := sandbox.Run(cmd, t.confined(cmd.Path, temp, readable))
		if err == nil {
			continue
		}
		var ended *exec.ExitError
		if errors.As(err, &ended) && !ended.Exited() { // by a signal
			fmt.Fprintf(&output, "%s: %v\n", name, err)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return output.String(), &toolError{name, output.String(), err}
	}
	return output.String(), nil
}
