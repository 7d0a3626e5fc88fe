package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"esper/internal/secret"
)

// Version is what a build of a site is called (SPEC 8).
type Version struct {
	Name     string
	Sequence uint32
	Dirty    bool // a development build: not what any commit holds
}

// ErrShallow says that the repository lacks a part of its history, so that its
// commits cannot be counted.
var ErrShallow = errors.New("the git repository is a shallow clone: its commits cannot be counted")

// ErrNoGit says that the git command is missing.
var ErrNoGit = errors.New("the git command is not installed")

// noVersion is a build's version outside git.
var noVersion = Version{"dev", 0, true}

// Version returns the version of the site's sources. Where the site is a
// subfolder of a repository, hash and count are those of the whole repository:
// they must grow with every commit; but only uncommitted changes in the
// subfolder make it a development build.
func (s *Site) Version() (Version, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return Version{}, ErrNoGit
	}
	shallow, err := s.git("rev-parse", "--is-shallow-repository")
	if err != nil {
		var failed *gitError
		if errors.As(err, &failed) && strings.Contains(failed.message, "not a git repository") {
			return noVersion, nil
		}
		return Version{}, err
	}
	if shallow == "true" {
		return Version{}, ErrShallow
	}
	hash, err := s.git("rev-parse", "--quiet", "--verify", "HEAD")
	if err != nil {
		var failed *gitError
		if errors.As(err, &failed) && failed.message == "" {
			return noVersion, nil // no commit yet
		}
		return Version{}, err
	}
	if len(hash) < 8 {
		return Version{}, fmt.Errorf("git rev-parse: unexpected answer %q", hash)
	}
	hash = hash[:8]

	status, err := s.git("status", "--porcelain", "--untracked-files=normal", "--", ".")
	if err != nil {
		return Version{}, err
	}
	// A site that git is told to ignore has a clean status, and is in no commit.
	tracked, err := s.git("ls-files", "--", ConfigFile)
	if err != nil {
		return Version{}, err
	}
	if status != "" || tracked == "" {
		return Version{hash + "+dirty", 0, true}, nil
	}

	count, err := s.git("rev-list", "--first-parent", "--count", "HEAD")
	if err != nil {
		return Version{}, err
	}
	sequence, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return Version{}, fmt.Errorf("git rev-list: unexpected answer %q", count)
	}
	return Version{hash, uint32(sequence), false}, nil
}

// RepositoryAbove returns the folder of the git repository that a folder is only a part of,
// or nothing.
func RepositoryAbove(dir string) string {
	s := &Site{Dir: dir}
	if prefix, err := s.git("rev-parse", "--show-prefix"); err != nil || prefix == "" {
		return ""
	}
	above, _ := s.git("rev-parse", "--show-toplevel")
	return above
}

// gitError is what git said when it failed.
type gitError struct {
	command string
	message string
	err     error
}

func (e *gitError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("git %s: %v", e.command, e.err)
	}
	return fmt.Sprintf("git %s: %s", e.command, e.message)
}

// git runs a git command in the site and returns its output.
func (s *Site) git(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, message bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = &out, &message
	// The site's own repository counts, even in a hook of another; messages are
	// compared, so they must be English.
	cmd.Env = append(slices.DeleteFunc(secret.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}, name)
	}), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	if err := cmd.Run(); err != nil {
		return "", &gitError{args[0], strings.TrimSpace(message.String()), err}
	}
	return strings.TrimSpace(out.String()), nil
}
