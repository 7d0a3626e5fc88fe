package repository

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"esper/internal/release"
)

// Entry is a release that is kept: of a device type, as its version file says it, or of its settings.
type Entry struct {
	Type, Version string // of settings: <type>.settings, and the sequence
	Sequence      uint32
	Current       bool // it is the one that is served to who names no version
	Published     time.Time
}

// List returns the releases that are kept, type by type, the newest first. It reads only their
// version files. What cannot be read is left out, and the error says what that is.
func (r *Repository) List() ([]Entry, error) {
	types, err := r.Types()
	if err != nil {
		return nil, err
	}
	return r.list(types, readVersion)
}

// list returns the releases of some names that are kept, each read by a function from a file in its
// folder.
func (r *Repository) list(names []string, read func(name, folder string) (e Entry, file string, err error)) ([]Entry, error) {
	var entries []Entry
	var problems []error
	for _, name := range names {
		of, err := r.listName(name, read)
		entries = append(entries, of...)
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return entries, fmt.Errorf("list repository: %w", err)
	}
	return entries, nil
}

// readVersion returns what the version file in the folder of a release says.
func readVersion(deviceType, folder string) (e Entry, file string, err error) {
	file = filepath.Join(folder, release.VersionFileName(deviceType))
	text, err := os.ReadFile(file)
	if err != nil {
		return e, file, err
	}
	v, err := release.ParseVersionFile(text)
	return Entry{Version: v.Version, Sequence: v.Sequence}, file, err
}

func (r *Repository) listName(name string, read func(name, folder string) (Entry, string, error)) ([]Entry, error) {
	current, err := r.folder(name, "")
	if err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(filepath.Join(r.dir, releasesDir, name))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	var problems []error
	for _, folder := range folders {
		if strings.HasPrefix(folder.Name(), temporary) {
			continue
		}
		path := filepath.Join(r.dir, releasesDir, name, folder.Name())
		e, file, err := read(name, path)
		if found, err := exists(err); err == nil && !found {
			continue // it has just been removed
		}
		var written os.FileInfo
		if err == nil {
			written, err = os.Stat(file)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
			continue
		}
		e.Type, e.Current, e.Published = name, path == current, written.ModTime()
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Sequence, a.Sequence), b.Published.Compare(a.Published), cmp.Compare(a.Version, b.Version))
	})
	return entries, errors.Join(problems...)
}
