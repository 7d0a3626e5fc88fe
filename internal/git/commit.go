package git

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// ErrShallow says that the repository lacks a part of its history, so that its
// commits cannot be counted.
var ErrShallow = errors.New("the git repository is a shallow clone: its commits cannot be counted")

// ErrNone says that a folder is in no repository, or that there is no commit yet.
var ErrNone = errors.New("there is no commit")

// IsHash reports whether text is an object's whole name, by SHA-1 or SHA-256.
func IsHash(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// Commit returns the hash of the commit that a name stands for; [ErrNone].
func (r Repository) Commit(ctx context.Context, name string) (string, error) {
	hash, err := r.Run(ctx, "rev-parse", "--quiet", "--verify", name+"^{commit}")
	var failed *Error
	var ended *exec.ExitError
	if errors.As(err, &failed) && (failed.Message == "" && errors.As(err, &ended) || strings.Contains(failed.Message, "not a git repository")) {
		return "", ErrNone
	}
	if err == nil && !IsHash(hash) {
		err = fmt.Errorf("git rev-parse: unexpected answer %q", hash)
	}
	return hash, err
}

// Count returns the number of commits in a commit's history, itself included, so that it is greater
// for each descendant; [ErrShallow].
func (r Repository) Count(ctx context.Context, commit string) (uint32, error) {
	if shallow, err := r.Run(ctx, "rev-parse", "--is-shallow-repository"); err != nil || shallow != "false" {
		return 0, errors.Join(err, ErrShallow)
	}
	count, err := r.Run(ctx, "rev-list", "--count", commit, "--")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("git rev-list: unexpected answer %q", count)
	}
	return uint32(n), nil
}

// Author returns the author's name and the subject of a commit, as UTF-8.
func (r Repository) Author(ctx context.Context, commit string) (author, subject string, err error) {
	text, err := r.Run(ctx, "rev-list", "--no-walk", "--encoding=UTF-8", "--format=format:%an%x00%s", commit, "--")
	if err != nil {
		return "", "", err
	}
	_, text, _ = strings.Cut(text, "\n") // "commit <hash>"
	author, subject, found := strings.Cut(text, "\x00")
	if !found {
		return "", "", fmt.Errorf("git rev-list: unexpected answer %.200q", text)
	}
	return author, subject, nil
}

// Format returns how the repository names its objects: sha1 or sha256.
func (r Repository) Format(ctx context.Context) (string, error) {
	return r.Run(ctx, "rev-parse", "--show-object-format")
}

// Place returns the top folder of the repository's work tree, without links in its path, and where
// in it Dir is: a path with slashes, empty for the top itself.
func (r Repository) Place(ctx context.Context) (top, prefix string, err error) {
	if top, err = r.Run(ctx, "rev-parse", "--show-toplevel"); err != nil {
		return "", "", err
	}
	prefix, err = r.Run(ctx, "rev-parse", "--show-prefix")
	return top, strings.TrimSuffix(prefix, "/"), err
}
