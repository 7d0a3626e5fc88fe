package serialport

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestPortsAreFoundByDeviceAndByName(t *testing.T) {
	dir := t.TempDir()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "serial/by-id"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ttyUSB10", "ttyUSB2", "ttyACM0", "ttyS0", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"usb-1a86_USB_Serial-if00-port0": "ttyUSB2", "usb-gone": "ttyUSB7", "usb-other": "other"} {
		if err := os.Symlink("../../"+to, filepath.Join(dir, "serial/by-id", link)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, p := range List(dir) {
		if p.Err != nil {
			t.Error(p.Err)
		}
		name, _ := filepath.Rel(dir, p.Path)
		if p.Name != "" {
			name += " " + filepath.Base(p.Name)
		}
		got = append(got, name)
	}
	want := []string{"other usb-other", "ttyACM0", "ttyUSB2 usb-1a86_USB_Serial-if00-port0", "ttyUSB10"}
	if len(got) != len(want) {
		t.Fatalf("%q, not %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if ports := List(filepath.Join(dir, "none")); len(ports) != 0 {
		t.Error(ports)
	}
}

func TestAPortThatWeMayNotUseSaysSo(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may use everything")
	}
	path := filepath.Join(t.TempDir(), "ttyUSB0")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	if ports := List(filepath.Dir(path)); len(ports) != 1 || !errors.Is(ports[0].Err, fs.ErrPermission) {
		t.Error(ports)
	}
}
