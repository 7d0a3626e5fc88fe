package site

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
)

// ErrNoCommit says that a release's version names no commit of the site's repository.
var ErrNoCommit = errors.New("no such commit in the site's repository")

var commitVersion = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Checkout checks out the commit that a version names, clean, into an empty folder, and
// opens the site there, for the same environment.
func (s *Site) Checkout(version, dir string) (*Site, error) {
	if !commitVersion.MatchString(version) {
		return nil, fmt.Errorf("%w: version %q is not the first eight digits of a commit's hash", ErrNoCommit, version)
	}
	commit, err := s.git("rev-parse", "--quiet", "--verify", version+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoCommit, version)
	}
	prefix, err := s.git("rev-parse", "--show-prefix")
	if err != nil {
		return nil, err
	}
	repository, err := s.git("rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return nil, err
	}
	if _, err := s.git("clone", "--quiet", "--shared", "--no-checkout", "--", repository, dir); err != nil {
		return nil, err
	}
	if _, err := (&Site{Dir: dir}).git("checkout", "--quiet", "--detach", commit); err != nil {
		return nil, err
	}
	return OpenFor(filepath.Join(dir, prefix), s.Environment)
}
