package release

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/google/renameio/v2"

	"esper/internal/image"
)

// The extension of a version file.
const versionExtension = ".version"

// VersionFileName returns the name of a device type's version file.
func VersionFileName(deviceType string) string { return deviceType + versionExtension }

// ImageName returns the file name of a device type's image for a slot.
func ImageName(deviceType string, slot int) string {
	return fmt.Sprintf("%s.rom%d", deviceType, slot)
}

// DeltaName returns the file name of the delta that makes a device type's image for a slot on a device that
// runs another version.
func DeltaName(deviceType, from string, slot int) string {
	return fmt.Sprintf("%s.%s.delta%d", deviceType, from, slot)
}

// List returns the device types that have a version file in a folder, sorted.
func List(dir string) ([]string, error) { return list(dir, versionExtension) }

// list returns the device types that have a file of an extension in a folder, sorted.
func list(dir, extension string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var types []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), extension)
		if ok && image.CheckDeviceType(name) == nil {
			types = append(types, name)
		}
	}
	sort.Strings(types)
	return types, nil
}

// Read reads the release of a device type from a folder. It checks the version
// file's form only; [Release.Verify] checks the rest.
func Read(dir, deviceType string) (*Release, error) {
	if err := image.CheckDeviceType(deviceType); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, VersionFileName(deviceType))
	text, err := readFile(path, 2*MaxVersionFile) // its size is the parser's to judge
	if err != nil {
		return nil, err
	}
	r := &Release{Type: deviceType}
	if r.VersionFile, err = ParseVersionFile(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Images, err = ReadImages(dir, deviceType); err != nil {
		return nil, err
	}
	return r, nil
}

// ReadImages reads the images of a device type, not necessarily signed yet, from
// a folder. It looks at their size only.
func ReadImages(dir, deviceType string) (images [image.Slots][]byte, err error) {
	for slot := range images {
		path := filepath.Join(dir, ImageName(deviceType, slot))
		if images[slot], err = readFile(path, image.SlotSize); err != nil {
			return images, err
		}
	}
	return images, nil
}

// Write writes the release into a folder, the version file last, each file whole
// or not at all.
func (r *Release) Write(dir string) error {
	if err := image.CheckDeviceType(r.Type); err != nil {
		return err
	}
	if err := writeImages(dir, r.Type, r.Images); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, VersionFileName(r.Type)), r.VersionFile.Marshal(), 0o644)
}

// writeImages writes the images of a device type into a folder.
func writeImages(dir, deviceType string, images [image.Slots][]byte) error {
	for slot, content := range images {
		if err := renameio.WriteFile(filepath.Join(dir, ImageName(deviceType, slot)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
