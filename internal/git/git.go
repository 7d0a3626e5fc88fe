// Package git asks git about a repository, so that nothing but what is in the repository counts: no
// configuration of the user or the system, no hook, no attribute, no replaced commit. What git
// answers may be somebody else's making: it is read as a stream with a limit, and git's own memory
// is limited.
package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"esper/internal/secret"
)

// Limits on a command.
const (
	timeout   = 5 * time.Minute
	maxMemory = 1 << 30  // bytes of data of each process
	maxOutput = 1 << 20  // bytes of an answer that is not read as a stream
	maxRecord = 16 << 10 // bytes of each part of one that is
	keptError = 4 << 10  // bytes of the end of what git says of an error
)

// ErrMissing says that the git command is missing.
var ErrMissing = errors.New("the git command is not installed")

// errTooLong says that git answers more than is read.
var errTooLong = errors.New("the answer is too long")

// Repository is where git runs.
type Repository struct {
	Dir  string   // in the work tree, or if Bare the repository itself
	Bare bool     // no repository is looked for above Dir
	Env  []string // more variables of the environment
}

// Error is what git said when it failed.
type Error struct {
	Command string
	Message string // may be empty
	Err     error
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("git %s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("git %s: %s", e.Command, e.Message)
}

// Unwrap returns the reason: an [exec.ExitError], or that of a context.
func (e *Error) Unwrap() error { return e.Err }

// Settings are those of each command and, where it writes, of the repository: they keep memory
// within the limit, and programs from being started.
var Settings = [][2]string{
	{"core.hooksPath", os.DevNull},
	{"core.fsmonitor", "false"},
	{"core.bigFileThreshold", "16m"}, // what is larger is not taken into memory
	{"core.deltaBaseCacheLimit", "64m"},
	{"pack.threads", "1"},
	{"pack.windowMemory", "128m"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
}

// Environment returns the environment for git without its user: all of what git, the user and the
// system set is missing from it.
func Environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "LC_ALL=C", // messages are compared
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=" + os.DevNull, // other ancestors than the commit names
		"GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0",
	}
	// These say where a repository is looked for, and whose it may be, not what is in it.
	for _, name := range []string{"GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "SUDO_UID"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// access begins the names of the variables by which a user reaches other repositories: programs,
// certificates, and configuration with credentials in it.
var access = []string{"GIT_ASKPASS", "GIT_CONFIG", "GIT_HTTP_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_"}

// userEnvironment returns the environment for git where it reaches another repository as its user.
func userEnvironment() []string {
	env := slices.DeleteFunc(secret.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_") && !slices.ContainsFunc(access, func(a string) bool { return strings.HasPrefix(v, a) })
	})
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh")
	if os.Getenv("GIT_SSH_COMMAND") == "" && os.Getenv("GIT_SSH") == "" {
		env = append(env, "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
	}
	return env
}

// safe are the folders that the user's configuration says may belong to another: git refuses to
// look into others.
var safe = sync.OnceValue(func() []string {
	cmd := exec.Command("git", "config", "--null", "--get-all", "safe.directory")
	cmd.Env = append(userEnvironment(), "GIT_DIR="+os.DevNull) // of no repository
	cmd.Dir = "/"
	output, _ := cmd.Output() // an error says that there are none
	return strings.FieldsFunc(string(output), func(r rune) bool { return r == 0 })
})

// Limited returns a program with its arguments, started so that its memory and that of its children
// is limited. RLIMIT_DATA leaves alone what is only reserved or mapped, such as packs.
func Limited(program string, args ...string) (string, []string) {
	return "/bin/sh", append([]string{"-c", fmt.Sprintf(`{ ulimit -d %d; ulimit -c 0; } 2>/dev/null; exec "$0" "$@"`, maxMemory>>10), program}, args...)
}

// command is a git command.
func (r Repository) command(ctx context.Context, env []string, settings [][2]string, args []string) (*exec.Cmd, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, ErrMissing
	}
	all := []string{"--no-pager"}
	for _, s := range settings {
		all = append(all, "-c", s[0]+"="+s[1])
	}
	if r.Bare {
		all = append(all, "--git-dir="+r.Dir)
	}
	program, all = Limited(program, append(all, args...)...)
	cmd := exec.CommandContext(ctx, program, all...)
	cmd.Dir = r.Dir
	cmd.Env = append(env, r.Env...)
	// git has children of its own, which end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}

// Run runs a command and returns what it answers, without white space around it.
func (r Repository) Run(ctx context.Context, args ...string) (string, error) {
	return r.run(ctx, Environment(), r.settings(), args)
}

// RunAsUser is Run for commands that reach another repository: the user's configuration and
// programs give access to it, and are trusted with that.
func (r Repository) RunAsUser(ctx context.Context, args ...string) (string, error) {
	return r.run(ctx, userEnvironment(), slices.Concat(Settings, [][2]string{
		{"fetch.fsckObjects", "false"}, {"transfer.fsckObjects", "false"},
		{"fetch.recurseSubmodules", "no"}, {"fetch.prune", "false"}, {"fetch.unpackLimit", "1"}, {"transfer.unpackLimit", "1"},
	}), args)
}

func (r Repository) settings() [][2]string {
	settings := slices.Clone(Settings)
	for _, dir := range safe() {
		settings = append(settings, [2]string{"safe.directory", dir})
	}
	return settings
}

func (r Repository) run(ctx context.Context, env []string, settings [][2]string, args []string) (string, error) {
	var answer string
	err := r.stream(ctx, env, settings, nil, func(output io.Reader) error {
		text, err := io.ReadAll(io.LimitReader(output, maxOutput+1))
		if err == nil && len(text) > maxOutput {
			err = errTooLong
		}
		answer = strings.TrimSpace(string(text))
		return err
	}, args)
	if err != nil {
		return "", err
	}
	return answer, nil
}

// records runs a command and hands its answer over in parts that end with a NUL, until that
// returns an error.
func (r Repository) records(ctx context.Context, each func(record string) error, args ...string) error {
	return r.stream(ctx, Environment(), r.settings(), nil, func(output io.Reader) error {
		lines := bufio.NewReaderSize(output, maxRecord)
		for {
			record, err := lines.ReadSlice(0)
			switch {
			case err == io.EOF && len(record) == 0:
				return nil
			case errors.Is(err, bufio.ErrBufferFull):
				return errTooLong
			case err != nil:
				return err
			}
			if err := each(string(record[:len(record)-1])); err != nil {
				return err
			}
		}
	}, args)
}

// stream runs a command that reads input and whose answer is read as it comes. It ends at the
// reader's first error, which is returned as it is.
func (r Repository) stream(ctx context.Context, env []string, settings [][2]string, input io.Reader, read func(output io.Reader) error,
	args []string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd, err := r.command(ctx, env, settings, args)
	if err != nil {
		return err
	}
	var message tail
	cmd.Stdin, cmd.Stderr = input, &message
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return &Error{args[0], "", err}
	}
	unread := read(output)
	if unread != nil && !errors.Is(unread, io.ErrUnexpectedEOF) {
		cancel()
		cmd.Wait()
		if unread == errTooLong {
			return &Error{args[0], "", unread}
		}
		return unread
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return &Error{args[0], message.lines(), err}
	}
	if unread != nil {
		return &Error{args[0], "", unread}
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-keptError):]...)
	t.text = bytes.Clone(t.text[max(0, len(t.text)-keptError):])
	return len(p), nil
}

// lines are the last lines of what git said, as one line, without what it says of every remote
// repository that it cannot read.
func (t *tail) lines() string {
	said := strings.TrimSuffix(strings.TrimSpace(string(t.text)), `fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.`)
	lines := strings.FieldsFunc(said, func(r rune) bool { return r == '\n' || r == '\t' })
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-3):], "; "))
}
