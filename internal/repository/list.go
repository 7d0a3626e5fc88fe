package repository

import (
	"fmt"
	"os"
	"path/filepath"
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

// List returns the releases that are kept. It reads only their version files.
func (r *Repository) List() ([]Entry, error) {
	types, err := r.Types()
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, deviceType := range types {
		current, err := r.folder(deviceType, "")
		if err != nil {
			return nil, fmt.Errorf("list repository: %w", err)
		}
		folders, err := os.ReadDir(filepath.Join(r.dir, releasesDir, deviceType))
		if err != nil {
			return nil, fmt.Errorf("list repository: %w", err)
		}
		for _, folder := range folders {
			if strings.HasPrefix(folder.Name(), temporary) {
				continue
			}
			path := filepath.Join(r.dir, releasesDir, deviceType, folder.Name())
			file := filepath.Join(path, release.VersionFileName(deviceType))
			text, err := os.ReadFile(file)
			if found, err := exists(err); err != nil {
				return nil, fmt.Errorf("list repository: %w", err)
			} else if !found {
				continue // it has just been removed
			}
			v, err := release.ParseVersionFile(text)
			if err != nil {
				return nil, fmt.Errorf("list repository: %s: %w", path, err)
			}
			written, err := os.Stat(file)
			if err != nil {
				return nil, fmt.Errorf("list repository: %w", err)
			}
			entries = append(entries, Entry{Published: written.ModTime(), Type: deviceType, Version: v.Version, Sequence: v.Sequence, Current: path == current})
		}
	}
	return entries, nil
}
