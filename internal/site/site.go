// Package site is a site: a git repository with esper.toml and the sources of its
// device types. docs/SPEC.md, section 8, describes it for its author.
package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"esper/internal/board"
	"esper/internal/devicesetting"
	"esper/internal/image"
)

// ConfigFile is the name of the site's configuration, DevicesDir of the folder
// with its device types, BuildDir of the one where builds put their output, and DataDir
// of the one where a server keeps its data.
const (
	ConfigFile = "esper.toml"
	DevicesDir = "devices"
	BuildDir   = "build"
	DataDir    = "data"
)

// Limits on what a site may hold.
const (
	maxConfigFile = 64 << 10 // bytes
	maxTypes      = 64
	maxSources    = 64      // in a device type
	maxSourceFile = 1 << 20 // bytes
)

// ErrNoSite says that there is no site where one was looked for.
var ErrNoSite = errors.New("no site")

// Site is a site as its author wrote it.
type Site struct {
	Dir         string // absolute
	Environment string // empty: none, what stands at the top of esper.toml
	Config      Config
	Types       []DeviceType // sorted by name, also those that something is wrong with
	Empty       []string     // folders where device types belong, but without sources; sorted

	secrets *secrets
}

// DeviceType is a folder of sources.
type DeviceType struct {
	Name    string
	Dir     string   // absolute
	Sources []string // names of the .cpp and .c files in Dir, sorted, at least one
	// Wrong is why the type cannot be built, a [*TypeError], or nil. It does not keep anything
	// from the other types.
	Wrong error

	FlashMode uint8        // for the images' header: device.toml's, else the board's, else image.FlashDOUT
	Board     *board.Board // that device.toml names, or nil
	Constants []Constant   // sorted by name
	Libraries []Library    // in the order of device.toml
	Log       Log

	Settings []devicesetting.Setting // sorted by name
}

// TypeError says what is wrong with a device type.
type TypeError struct {
	Type string
	Err  error // names the file
}

func (e *TypeError) Error() string { return e.Err.Error() }
func (e *TypeError) Unwrap() error { return e.Err }

// Open reads the site in a folder, or in the nearest of its parents that holds
// esper.toml. If there is none, the error is an [ErrNoSite]. It is configured for the
// environment that [EnvironmentVariable] names, if it does.
func Open(dir string) (*Site, error) { return OpenFor(dir, os.Getenv(EnvironmentVariable)) }

// OpenFor is Open for an environment; if its name is empty, for none. One that does not
// exist is an [ErrNoEnvironment].
func OpenFor(dir, environment string) (*Site, error) {
	root, err := find(dir)
	if err != nil {
		return nil, err
	}
	s := &Site{Dir: root, Environment: environment}
	if s.secrets, err = openSecrets(root, environment); err != nil {
		return nil, err
	}
	if s.Config, err = readConfig(root, s.secrets); err != nil {
		return nil, err
	}
	if err := s.readTypes(); err != nil {
		return nil, err
	}
	if err := s.Config.Rollouts.known(s.Types); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(root, ConfigFile), err)
	}
	return s, nil
}

// Type returns the device type of that name, if it can be built.
func (s *Site) Type(name string) (DeviceType, error) {
	for _, t := range s.Types {
		if t.Name == name {
			return t, t.Wrong
		}
	}
	if dir := filepath.Join(s.Dir, DevicesDir, name); slices.Contains(s.Empty, dir) {
		return DeviceType{}, fmt.Errorf("%s: a device type without a .cpp or .c file", dir)
	}
	return DeviceType{}, fmt.Errorf("no device type %q in %s", name, s.Dir)
}

// BuildPath is the folder for what is built: each environment has its own.
func (s *Site) BuildPath() string { return filepath.Join(s.Dir, BuildDir, s.Environment) }

// DataPath is the folder for a server's data: each environment has its own.
func (s *Site) DataPath() string { return filepath.Join(s.Dir, DataDir, s.Environment) }

// Boards is the folder with the site's own boards, which need not be there.
func (s *Site) Boards() string { return filepath.Join(s.Dir, board.Dir) }

// BoardsOf returns that folder of the site in a folder, or in the nearest of its parents that holds
// esper.toml; nothing else of the site has to be right. If there is none, the error is an [ErrNoSite].
func BoardsOf(dir string) (string, error) {
	root, err := find(dir)
	return filepath.Join(root, board.Dir), err
}

// find returns the nearest folder with an esper.toml, from dir upwards.
func find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(start); err != nil {
		return "", err
	}
	for at := start; ; at = filepath.Dir(at) {
		info, err := os.Stat(filepath.Join(at, ConfigFile))
		if err == nil && info.Mode().IsRegular() {
			return at, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: no %s in %s or above it", ErrNoSite, ConfigFile, start)
		}
	}
}

// readTypes reads the device types. Files beside them, and names with a dot in front, are none of
// its business.
func (s *Site) readTypes() error {
	dir := filepath.Join(s.Dir, DevicesDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries { // sorted by name
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if entry.Name()[0] == '.' || err != nil || !info.IsDir() {
			continue // also a link that leads nowhere
		}
		t := DeviceType{Name: entry.Name(), Dir: path}
		if err := t.read(s); err != nil {
			t.Wrong = &TypeError{t.Name, err}
		} else if len(t.Sources) == 0 {
			s.Empty = append(s.Empty, path)
			continue
		}
		s.Types = append(s.Types, t)
	}
	if len(s.Types) > maxTypes {
		return fmt.Errorf("%s: %d device types, but at most %d are allowed", dir, len(s.Types), maxTypes)
	}
	return nil
}

// read reads a device type of a site from its folder.
func (t *DeviceType) read(s *Site) (err error) {
	if err := image.CheckDeviceType(t.Name); err != nil {
		return fmt.Errorf("%s: %w", t.Dir, err)
	}
	if t.Sources, err = readSources(t.Dir); err != nil || len(t.Sources) == 0 {
		return err
	}
	return t.readDeviceFile(filepath.Join(s.Dir, LibraryDir), s.Boards())
}

// sourceName is the name of a source. The compiler is called with it, and for example reads
// @x.c as a file of options.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)

// readSources returns the names of the sources in a folder.
func readSources(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var sources []string
	for _, entry := range entries { // sorted by name
		name := entry.Name()
		if name[0] == '.' || !slices.Contains([]string{".cpp", ".c"}, filepath.Ext(name)) {
			continue
		}
		if !sourceName.MatchString(name) {
			return nil, fmt.Errorf("%s: source file %.60q: rename it; its name consists of letters A to Z, digits and _ . + -, and begins with a letter, a digit or _", dir, name)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > maxSourceFile {
			return nil, fmt.Errorf("%s: %d bytes, but a source may have %d",
				filepath.Join(dir, name), info.Size(), maxSourceFile)
		}
		sources = append(sources, name)
	}
	if len(sources) > maxSources {
		return nil, fmt.Errorf("%s: %d sources, but at most %d are allowed", dir, len(sources), maxSources)
	}
	return sources, nil
}
