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

// Entry is a release that is kept, as its version file says it.
type Entry struct {
	Type, Version string
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
	var entries []Entry
	var problems []error
	for _, deviceType := range types {
		of, err := r.listType(deviceType)
		entries = append(entries, of...)
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return entries, fmt.Errorf("list repository: %w", err)
	}
	return entries, nil
}

func (r *Repository) listType(deviceType string) ([]Entry, error) {
	current, err := r.folder(deviceType, "")
	if err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(filepath.Join(r.dir, releasesDir, deviceType))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	var problems []error
	for _, folder := range folders {
		if strings.HasPrefix(folder.Name(), temporary) {
			continue
		}
		path := filepath.Join(r.dir, releasesDir, deviceType, folder.Name())
		file := filepath.Join(path, release.VersionFileName(deviceType))
		text, err := os.ReadFile(file)
		if found, err := exists(err); err == nil && !found {
			continue // it has just been removed
		}
		var v release.VersionFile
		if err == nil {
			v, err = release.ParseVersionFile(text)
		}
		var written os.FileInfo
		if err == nil {
			written, err = os.Stat(file)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
			continue
		}
		entries = append(entries, Entry{Published: written.ModTime(), Type: deviceType, Version: v.Version, Sequence: v.Sequence, Current: path == current})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Sequence, a.Sequence), b.Published.Compare(a.Published), cmp.Compare(a.Version, b.Version))
	})
	return entries, errors.Join(problems...)
}
