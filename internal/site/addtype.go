package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"esper/internal/image"
)

// minimalSource is a device type that does nothing but report and update itself.
const minimalSource = `#include <esper/Device.h>

using namespace esper;

Device device;

Device* getDevice() {
    return &device;
}
`

// AddType makes a device type in the site in a folder, or above it, and returns the
// paths of its files. It begins as a copy of the folder from in devices, or if from is
// empty, with a source that has no features. It overwrites nothing: if there is
// something of that name, the error is an [fs.ErrExist]. After an error, nothing of the
// device type is left behind.
func AddType(dir, name string, devices fs.FS, from string) (paths []string, err error) {
	if err := image.CheckDeviceType(name); err != nil {
		return nil, err
	}
	root, err := find(dir)
	if err != nil {
		return nil, err
	}
	files := []newFile{{filepath.Join(DevicesDir, from, name+".cpp"), []byte(minimalSource)}}
	if from != "" {
		if files, err = (Template{Devices: devices, Types: []string{from}}).sources(); err != nil {
			return nil, err
		}
	}
	folder := filepath.Join(root, DevicesDir, name)
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return nil, &fs.PathError{Op: "create", Path: folder, Err: fs.ErrExist}
	}
	var undo undo
	defer func() {
		if err != nil {
			undo.run()
		}
	}()
	for _, file := range files {
		base := filepath.Base(file.name)
		if base == from+".cpp" {
			base = name + ".cpp"
		}
		path := filepath.Join(folder, base)
		if err := undo.write(path, file.content); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	with := &Site{Dir: root}
	err = with.readTypes() // there may be too many
	if err == nil {
		_, err = with.Type(name)
	}
	if err != nil {
		return nil, fmt.Errorf("with %s: %w", name, err)
	}
	return paths, nil
}
