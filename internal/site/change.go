package site

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"esper/internal/board"
	"esper/internal/git"
)

// leftover is what systems and editors leave beside a file, and no source includes.
var leftover = regexp.MustCompile(`^(\.DS_Store|\..*\.sw[a-z]|\.#.*|#.*#|.*~)$`)

// change returns a file that is not in the commit as it is on the disk, or the other way round, among
// all that a build of the site can read: it may be changed, new, ignored by git, in a submodule, behind
// a link, or missing. So it does not matter what git was told of it, nor what git noted of its time
// and size. If there is none, it returns nothing.
func (s *Site) change(ctx context.Context, repository git.Repository, commit string) (string, error) {
	top, prefix, err := repository.Place(ctx)
	if err != nil {
		return "", err
	}
	c := comparison{top: top, committed: map[string]git.Entry{}, seen: map[string]bool{}}
	if err := repository.Tree(ctx, commit, func(e git.Entry) error {
		c.committed[e.Path] = e
		return nil
	}); err != nil {
		return "", err
	}
	for _, name := range slices.Concat([]string{ConfigFile, SecretsFile, DevicesDir, LibraryDir, board.Dir}, s.Config.Update.KeyFiles) {
		if err := c.compare(path.Join(prefix, filepath.ToSlash(name))); err != nil {
			var changed changeError
			if errors.As(err, &changed) {
				return string(changed), nil
			}
			return "", err
		}
	}
	return "", nil
}

// comparison is that of files on the disk with those of a commit. Their names are paths from the
// top of the repository, with slashes.
type comparison struct {
	top       string // folder, without links in its path
	committed map[string]git.Entry
	seen      map[string]bool
}

// changeError is the name of a file that is not the same.
type changeError string

func (e changeError) Error() string { return string(e) + " is not as in the commit" }

// compare compares what has a name: a file, a folder, or nothing.
func (c *comparison) compare(name string) error {
	if c.seen[name] {
		return nil
	}
	c.seen[name] = true
	at := filepath.Join(c.top, filepath.FromSlash(name))
	info, err := os.Lstat(at)
	entry, committed := c.committed[name]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if missing := c.below(name); committed || missing != "" {
			return changeError(name)
		}
		return nil
	case err != nil:
		return err
	case info.IsDir() && !entry.IsFile() && !entry.IsLink():
		return c.compareFolder(name, at)
	case !committed || entry.IsLink() != (info.Mode()&fs.ModeSymlink != 0):
		return changeError(name)
	case entry.IsLink():
		target, err := os.Readlink(at)
		if err == nil && !holds(entry.Object, int64(len(target)), strings.NewReader(target)) {
			return changeError(name)
		}
		return errors.Join(err, c.follow(name, at))
	case !info.Mode().IsRegular():
		return changeError(name)
	}
	f, err := os.Open(at)
	if err != nil {
		return err
	}
	defer f.Close()
	if !holds(entry.Object, info.Size(), f) {
		return changeError(name)
	}
	return nil
}

// compareFolder compares all that is in a folder, or should be.
func (c *comparison) compareFolder(name, at string) error {
	entries, err := os.ReadDir(at)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inside := path.Join(name, entry.Name())
		if _, committed := c.committed[inside]; !committed && leftover.MatchString(entry.Name()) && !entry.IsDir() {
			continue
		}
		if err := c.compare(inside); err != nil {
			return err
		}
	}
	if missing := c.below(name); missing != "" {
		return changeError(missing)
	}
	return nil
}

// below returns a committed file in a folder that was not looked at, or nothing.
func (c *comparison) below(name string) string {
	for committed := range c.committed {
		if strings.HasPrefix(committed, name+"/") && !c.seen[committed] {
			return committed
		}
	}
	return ""
}

// follow compares what a link leads to, which must be in the repository.
func (c *comparison) follow(name, at string) error {
	target, err := filepath.EvalSymlinks(at)
	if err != nil {
		return changeError(name)
	}
	inside, err := filepath.Rel(c.top, target)
	if err != nil || !filepath.IsLocal(inside) {
		return changeError(name)
	}
	return c.compare(filepath.ToSlash(inside))
}

// holds reports whether an object of git is a file with that content.
func holds(object string, size int64, content io.Reader) bool {
	var sum hash.Hash = sha1.New()
	if len(object) == 2*sha256.Size {
		sum = sha256.New()
	}
	fmt.Fprintf(sum, "blob %d\x00", size)
	n, err := io.Copy(sum, content)
	return err == nil && n == size && fmt.Sprintf("%x", sum.Sum(nil)) == object
}
