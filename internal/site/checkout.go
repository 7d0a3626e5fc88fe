package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"esper/internal/git"
)

// ErrNoCommit says that a release's version names no commit of the site's repository.
var ErrNoCommit = errors.New("no such commit in the site's repository")

var commitVersion = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Checkout checks out the commit that a version names, clean, into an empty folder, and
// opens the site there, for the same environment.
func (s *Site) Checkout(ctx context.Context, version, dir string) (*Site, error) {
	if !commitVersion.MatchString(version) {
		return nil, fmt.Errorf("%w: version %q is not the first eight digits of a commit's hash", ErrNoCommit, version)
	}
	repository := git.Repository{Dir: s.Dir}
	commit, err := repository.Commit(ctx, version)
	if err != nil || !strings.HasPrefix(commit, version) { // a branch may have such a name
		return nil, fmt.Errorf("%w: %s", ErrNoCommit, version)
	}
	_, prefix, err := repository.Place(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := repository.Checkout(ctx, commit, dir); err != nil {
		return nil, err
	}
	return OpenFor(filepath.Join(dir, filepath.FromSlash(prefix)), s.Environment)
}
