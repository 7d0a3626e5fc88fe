package repository

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"esper/internal/image"
	"esper/internal/settings"
)

// PublishSettings makes a settings release the current one of a device type or, if it is for a
// single device, that of the device. It appears complete or not at all.
//
// It returns an error of package settings if the file is malformed, for another type, or not
// signed by one of the keys; [ErrNotNewer] if its sequence is not greater than that of the current
// one, [ErrConflict] if it is the same and the content differs, and [ErrJump] if no device would
// take it. To publish the current one again changes nothing.
func (r *Repository) PublishSettings(deviceType string, file []byte, keys []ed25519.PublicKey) error {
	err := r.publishSettings(deviceType, file, keys)
	if err != nil {
		return fmt.Errorf("publish %s: %w", settings.FileName(deviceType), err)
	}
	return nil
}

// CheckSettings returns the error that [Repository.PublishSettings] would refuse a settings
// release with as things stand, and changes nothing. It returns what the release says, and the
// sequence of the one that it replaces; 0 if there is none.
func (r *Repository) CheckSettings(
	deviceType string, file []byte, keys []ed25519.PublicKey,
) (settings.Header, uint32, error) {
	h, before, err := r.checkSettings(deviceType, file, keys)
	if err != nil {
		err = fmt.Errorf("publish %s: %w", settings.FileName(deviceType), err)
	}
	return h, before, err
}

func (r *Repository) checkSettings(
	deviceType string, file []byte, keys []ed25519.PublicKey,
) (settings.Header, uint32, error) {
	if err := image.CheckDeviceType(deviceType); err != nil {
		return settings.Header{}, 0, err
	}
	rel, err := settings.ParseRelease(file)
	if err != nil {
		return settings.Header{}, 0, err
	}
	if rel.Type != deviceType && rel.Type != settings.AllTypes {
		return rel.Header, 0, fmt.Errorf("%w: they are for %s", settings.ErrWrongDevice, rel.Type)
	}
	if err := rel.Verify(keys); err != nil {
		return rel.Header, 0, err
	}
	var before uint32
	old, err := os.ReadFile(r.currentSettings(deviceType, rel.Chip))
	found, err := exists(err)
	if err != nil {
		return rel.Header, 0, err
	}
	if found {
		published, err := settings.ParseRelease(old)
		if err != nil {
			return rel.Header, 0, fmt.Errorf("read the settings published before: %w", err)
		}
		before = published.Sequence
	}
	switch {
	case found && bytes.Equal(old, file):
	case found && rel.Sequence == before:
		err = fmt.Errorf("%w: sequence %d", ErrConflict, before)
	case rel.Sequence <= before:
		err = fmt.Errorf("%w: %d, published is %d", ErrNotNewer, rel.Sequence, before)
	case rel.Sequence-before > settings.MaxJump:
		err = fmt.Errorf("%w: %d, published is %d", ErrJump, rel.Sequence, before)
	}
	return rel.Header, before, err
}

// currentSettings returns the file with the current settings of a device type, or of a device.
func (r *Repository) currentSettings(deviceType, chip string) string {
	if chip != "" {
		return filepath.Join(r.dir, devicesDir, settings.FileName(chip))
	}
	name := settings.FileName(deviceType)
	return filepath.Join(r.dir, currentDir, name, name)
}

func (r *Repository) publishSettings(deviceType string, file []byte, keys []ed25519.PublicKey) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	h, before, err := r.checkSettings(deviceType, file, keys)
	if err != nil {
		return err
	}
	current := h.Sequence == before
	if h.Chip != "" {
		if current {
			return nil
		}
		return r.publishDeviceSettings(h.Chip, file)
	}
	name, version := settings.FileName(deviceType), strconv.FormatUint(uint64(h.Sequence), 10)
	if !current {
		if err := r.storeSettings(name, version, file); err != nil {
			return err
		}
		if err := r.makeCurrent(name, version); err != nil {
			return err
		}
	}
	// A crash may have left an earlier publication without.
	if err := r.link(name, []string{name}); err != nil || current {
		return err
	}
	return r.prune(name, version)
}

// storeSettings stores a settings release, unless it is stored already.
func (r *Repository) storeSettings(name, version string, file []byte) error {
	old, err := os.ReadFile(filepath.Join(r.dir, releasesDir, name, version, name))
	switch found, err := exists(err); {
	case err != nil:
		return err
	case found && !bytes.Equal(old, file):
		return ErrConflict
	case found: // it was stored before a crash
		return nil
	}
	return r.store(name, version, func(folder string) error {
		return writeSynced(filepath.Join(folder, name), file)
	})
}

// publishDeviceSettings makes a settings release that of a device.
func (r *Repository) publishDeviceSettings(chip string, file []byte) error {
	path := r.currentSettings("", chip)
	if err := r.step("make the folder of the devices"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := r.step("write the settings of the device"); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, file, 0o644); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(r.dir))
}

// CurrentSettings reads the settings release of a device type that was published last or, with a
// chip id, that for the device alone. It returns an fs.ErrNotExist if there is none.
func (r *Repository) CurrentSettings(deviceType, chip string) ([]byte, error) {
	if err := image.CheckDeviceType(deviceType); err != nil {
		return nil, err
	}
	if chip != "" && deviceID(chip) == "" {
		return nil, fmt.Errorf("%q is no chip id", chip)
	}
	return os.ReadFile(r.currentSettings(deviceType, chip))
}

// ListSettings returns the settings releases of device types that are kept, as [Repository.List]
// does.
func (r *Repository) ListSettings() ([]Entry, error) {
	names, err := r.names(func(name string) bool {
		_, ok := settings.DeviceType(name)
		return ok
	})
	if err != nil {
		return nil, err
	}
	return r.list(names, readSettings)
}

// readSettings returns what a settings release in its folder says.
func readSettings(name, folder string) (e Entry, file string, err error) {
	file = filepath.Join(folder, name)
	content, err := os.ReadFile(file)
	if err != nil {
		return e, file, err
	}
	rel, err := settings.ParseRelease(content)
	if err != nil {
		return e, file, err
	}
	e.Version, e.Sequence = strconv.FormatUint(uint64(rel.Sequence), 10), rel.Sequence
	if e.Version != filepath.Base(folder) {
		err = fmt.Errorf("it has the sequence %d", rel.Sequence)
	}
	return e, file, err
}

// DeviceSettings is a settings release for a single device.
type DeviceSettings struct {
	settings.Header
	Published time.Time
}

// ListDeviceSettings returns the settings releases for single devices, sorted by chip id. What
// cannot be read is left out, and the error says what that is.
func (r *Repository) ListDeviceSettings() ([]DeviceSettings, error) {
	files, err := os.ReadDir(filepath.Join(r.dir, devicesDir))
	if found, err := exists(err); !found {
		return nil, err
	}
	var all []DeviceSettings
	var problems []error
	for _, f := range files {
		chip, ok := strings.CutSuffix(f.Name(), settings.Suffix)
		if !ok || deviceID(chip) == "" {
			continue
		}
		h, published, err := r.deviceSettings(chip)
		if err == nil {
			all = append(all, DeviceSettings{h, published})
		} else if !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	slices.SortFunc(all, func(a, b DeviceSettings) int { return strings.Compare(a.Chip, b.Chip) })
	return all, errors.Join(problems...)
}

// deviceSettings returns what the settings release for a single device says, and when it was
// published.
func (r *Repository) deviceSettings(chip string) (h settings.Header, published time.Time, err error) {
	path := r.currentSettings("", chip)
	info, err := os.Stat(path)
	if err != nil {
		return h, published, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return h, published, err
	}
	rel, err := settings.ParseRelease(content)
	if err == nil && rel.Chip != chip {
		err = fmt.Errorf("it is for %q", rel.Chip)
	}
	if err != nil {
		return h, published, fmt.Errorf("%s: %w", path, err)
	}
	return rel.Header, info.ModTime(), nil
}

// NextSettings returns the sequence that the next settings release of a device type, or for one of
// its devices, should have. It is greater than all that are published for either, so the sequence
// in a device's report says which of the two it is about.
func (r *Repository) NextSettings(deviceType string) (uint32, error) {
	if err := image.CheckDeviceType(deviceType); err != nil {
		return 0, err
	}
	of, err := r.ListSettings()
	if err != nil {
		return 0, err
	}
	single, err := r.ListDeviceSettings()
	if err != nil {
		return 0, err
	}
	var greatest uint32
	for _, e := range of {
		if e.Type == settings.FileName(deviceType) {
			greatest = max(greatest, e.Sequence)
		}
	}
	for _, d := range single {
		if d.Type == deviceType || d.Type == settings.AllTypes {
			greatest = max(greatest, d.Sequence)
		}
	}
	return greatest + 1, nil
}
