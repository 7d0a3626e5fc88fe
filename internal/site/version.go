package site

import (
	"context"
	"errors"
	"path/filepath"

	"esper/internal/git"
)

// Version is what a build of a site is called (SPEC 8).
type Version struct {
	Name     string
	Sequence uint32
	Dirty    bool   // a development build: not what any commit holds
	Change   string // of a commit with changes: a file that is not as it is there
}

// noVersion is a build's version outside git.
var noVersion = Version{Name: "dev", Dirty: true}

// Version returns the version of the site's sources. Where the site is a
// subfolder of a repository, hash and count are those of the whole repository:
// they must grow with every commit; but only what a build of the site reads
// makes it a development build.
func (s *Site) Version() (Version, error) {
	ctx := context.Background()
	repository := git.Repository{Dir: s.Dir}
	commit, err := repository.Commit(ctx, "HEAD")
	if errors.Is(err, git.ErrNone) {
		return noVersion, nil
	}
	if err != nil {
		return Version{}, err
	}
	sequence, err := repository.Count(ctx, commit)
	if err != nil {
		return Version{}, err
	}
	change, err := s.change(ctx, repository, commit)
	if err != nil {
		return Version{}, err
	}
	if change != "" {
		return Version{Name: commit[:8] + "+dirty", Dirty: true, Change: change}, nil
	}
	return Version{Name: commit[:8], Sequence: sequence}, nil
}

// RepositoryAbove returns the folder of the git repository that a folder is only a part of,
// or nothing.
func RepositoryAbove(dir string) string {
	top, prefix, err := git.Repository{Dir: dir}.Place(context.Background())
	if err != nil || prefix == "" {
		return ""
	}
	return filepath.FromSlash(top)
}
