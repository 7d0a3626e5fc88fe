// Package repository stores releases in a folder, and serves them over HTTP.
//
// # The folder
//
//	socket.version -> current/socket/socket.version
//	socket.rom0    -> current/socket/socket.rom0
//	socket.rom1    -> current/socket/socket.rom1
//	socket.8a1b2c3d.delta0 -> current/socket/socket.8a1b2c3d.delta0
//	current/socket -> ../releases/socket/9c0d1e2f
//	releases/socket/9c0d1e2f/socket.version, socket.rom0, socket.rom1
//	releases/socket/9c0d1e2f/socket.8a1b2c3d.delta0, socket.8a1b2c3d.delta1
//	releases/socket/8a1b2c3d/...
//	keep/socket    versions that stay, a line for each
//	socket.settings -> current/socket.settings/socket.settings
//	current/socket.settings -> ../releases/socket.settings/7
//	releases/socket.settings/7/socket.settings
//	devices/00c0de.settings
//
// Any static web server that follows symbolic links, as they do by default, can
// serve it to devices. Version file and images in the folder of a release are never changed;
// deltas that are missing or damaged are made again. Publishing writes a new folder beside the
// others and then renames one link, current/<type>, so that version file, images and deltas
// change in the same instant, and a crash at any point leaves either the old release served
// whole, or the new one.
//
// Settings releases (docs/SPEC.md section 12) are stored in the same way, by the name
// <type>.settings; the version is their sequence. The one for a single device is a file named by
// its chip id, which only [Repository.Handler] serves.
//
// # A device in between
//
// A device that has read the old version file and then asks for an image gets the
// old one from [Repository.Handler], since it asks for it by version. A plain
// static server ignores that and sends the new image. The device then finds
// another version in the descriptor than it asked for, refuses the image with
// wrong-version, and reads the version file again at its next check. A release
// that is being downloaded stays readable: the server holds its file open.
package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/settings"
)

// kept is how many releases of a device type are kept, the current one included.
const kept = 5

// The folders in a repository.
const (
	currentDir  = "current"
	releasesDir = "releases"
	keepDir     = "keep"
	devicesDir  = "devices"
)

// Repository is a folder with releases. Its methods can be called at the same
// time, also by several processes.
type Repository struct {
	dir  string
	etag etags
	log  func(error) // what goes wrong with deltas

	// make makes a delta: [delta.Make], unless a test has another.
	make func(source, target []byte) ([]byte, error)

	// step is called before each change of the folder, so that tests can stop there.
	step func(what string) error
}

// Open returns the repository in a folder, and makes the folder if need be.
func Open(dir string) (*Repository, error) {
	for _, d := range []string{dir, filepath.Join(dir, currentDir), filepath.Join(dir, releasesDir)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open repository: %w", err)
		}
	}
	return &Repository{dir: dir, log: func(error) {}, make: delta.Make, step: func(string) error { return nil }}, nil
}

// Dir is the repository's folder.
func (r *Repository) Dir() string { return r.dir }

// Types returns the device types that have a release, sorted.
func (r *Repository) Types() ([]string, error) {
	return r.names(func(name string) bool { return image.CheckDeviceType(name) == nil })
}

// names returns the names in the folder of links that are to be listed, sorted.
func (r *Repository) names(listed func(string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, currentDir))
	if err != nil {
		return nil, fmt.Errorf("list repository: %w", err)
	}
	var names []string
	for _, e := range entries {
		if listed(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Current reads the release of a device type that is served now. There is none:
// fs.ErrNotExist.
func (r *Repository) Current(deviceType string) (*release.Release, error) {
	folder, err := r.folder(deviceType, "")
	if err != nil {
		return nil, err
	}
	return release.Read(folder, deviceType)
}

// Release reads a release of a device type that is kept. It is not: fs.ErrNotExist.
func (r *Repository) Release(deviceType, version string) (*release.Release, error) {
	folder, err := r.folder(deviceType, version)
	if err != nil {
		return nil, err
	}
	return release.Read(folder, deviceType)
}

// Newest reads the version file of the release of a device type that was published last.
// There is none: fs.ErrNotExist.
func (r *Repository) Newest(deviceType string) (release.VersionFile, error) {
	folder, err := r.folder(deviceType, "")
	if err != nil {
		return release.VersionFile{}, err
	}
	text, err := os.ReadFile(filepath.Join(folder, release.VersionFileName(deviceType)))
	if err != nil {
		return release.VersionFile{}, err
	}
	return release.ParseVersionFile(text)
}

// NewestVersion returns the version of a device type, or of its settings, that was published last;
// empty if there is none. It reads no more than a link.
func (r *Repository) NewestVersion(name string) string {
	target, err := os.Readlink(filepath.Join(r.dir, currentDir, name))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// Has says whether a version of a device type's release is kept.
func (r *Repository) Has(deviceType, version string) bool {
	_, err := r.folder(deviceType, version)
	return version != "" && err == nil
}

// Keep lets these releases of a device type, or of its settings, stay however many are published
// after them. It replaces what was said before.
func (r *Repository) Keep(name string, versions []string) error {
	if err := checkName(name); err != nil {
		return err
	}
	text := strings.Join(versions, "\n")
	path := filepath.Join(r.dir, keepDir, name)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(path, []byte(text), 0o644)
}

// keeps returns the releases that [Repository.Keep] named.
func (r *Repository) keeps(name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, keepDir, name))
	if found, err := exists(err); !found {
		return nil, err
	}
	return strings.Split(string(text), "\n"), nil
}

// folder returns the folder of a release of a device type, or of its settings: the current one if
// version is empty, else the one of that version if it is kept. Not there: fs.ErrNotExist.
func (r *Repository) folder(name, version string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if version == "" {
		target, err := os.Readlink(filepath.Join(r.dir, currentDir, name))
		if err != nil {
			return "", err
		}
		version = filepath.Base(target)
	}
	if err := checkVersion(version); err != nil {
		return "", err
	}
	folder := filepath.Join(r.dir, releasesDir, name, version)
	_, err := os.Stat(folder)
	return folder, err
}

// checkName checks that a name is that of a device type, or of its settings.
func checkName(name string) error {
	return image.CheckDeviceType(strings.TrimSuffix(name, settings.Suffix))
}

// checkVersion checks that a version can be the name of a folder. Names with a dot
// in front are left for folders that are being written.
func checkVersion(version string) error {
	if err := image.CheckVersion(version); err != nil {
		return err
	}
	if strings.HasPrefix(version, ".") {
		return fmt.Errorf("version %q begins with a dot, which a repository cannot store", version)
	}
	return nil
}

// exists says whether a release is there at all.
func exists(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
