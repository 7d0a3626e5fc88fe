// Package serialport finds the serial ports of this computer that a board may be at.
package serialport

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Port is a serial port.
type Port struct {
	Path string // such as /dev/ttyUSB0
	Name string // its link in serial/by-id, which stays the same when it is plugged in again; may be empty
	Err  error  // why we may not use it, or nil
}

// Devices is the folder with the devices of this computer.
const Devices = "/dev"

// patterns are the names of the ports of USB adapters and boards, in Linux and in macOS.
var patterns = []string{"ttyUSB*", "ttyACM*", "cu.usb*", "cu.wchusb*", "cu.SLAB*"}

// List returns the serial ports at USB in a folder of devices, sorted by path. Those of the board
// itself (ttyS0 and so on) are not among them: most are not there at all.
func List(devices string) []Port {
	byPath := map[string]*Port{}
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(filepath.Join(devices, pattern))
		for _, path := range paths {
			byPath[path] = &Port{Path: path}
		}
	}
	links, _ := filepath.Glob(filepath.Join(devices, "serial", "by-id", "*"))
	for _, link := range links {
		path, err := filepath.EvalSymlinks(link)
		if err != nil {
			continue // it leads nowhere
		}
		if byPath[path] == nil {
			byPath[path] = &Port{Path: path}
		}
		byPath[path].Name = link
	}
	var ports []Port
	for _, p := range byPath {
		if err := unix.Access(p.Path, unix.R_OK|unix.W_OK); err != nil {
			p.Err = fmt.Errorf("%s: %w", p.Path, err)
		}
		ports = append(ports, *p)
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(len(a.Path)-len(b.Path), strings.Compare(a.Path, b.Path)) // 2 before 10
	})
	return ports
}

// Group returns the group whose members may use a port: dialout in Debian, uucp elsewhere.
func (p Port) Group() string {
	info, err := os.Stat(p.Path)
	if err != nil {
		return "dialout"
	}
	about, ok := info.Sys().(*syscall.Stat_t)
	if !ok || about.Gid == 0 {
		return "dialout"
	}
	group, err := user.LookupGroupId(fmt.Sprint(about.Gid))
	if err != nil {
		return fmt.Sprint(about.Gid)
	}
	return group.Name
}
