package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rights of Landlock (landlock(7), Linux Documentation/userspace-api/landlock.rst).
const (
	readRights  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	runRights   = readRights | unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeRights = readRights | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE

	// What is left of them for a file, or the kernel would not take the rule.
	fileRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	firstRights = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // all of version 1
)

// version is the kernel's version of Landlock, from 1 on.
var version = sync.OnceValues(func() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(v), nil
	case unix.ENOSYS:
		return 0, fmt.Errorf("%w: it has no Landlock (Linux 5.13)", ErrUnavailable)
	case unix.EOPNOTSUPP:
		return 0, fmt.Errorf("%w: Landlock is not among the security modules that it was started with (lsm=)", ErrUnavailable)
	}
	return 0, fmt.Errorf("%w: Landlock: %w", ErrUnavailable, errno)
})

// handled is what a program may not do unless a rule lets it, as far as the kernel knows.
func handled(version int) *unix.LandlockRulesetAttr {
	h := &unix.LandlockRulesetAttr{Handled_access_fs: firstRights}
	for _, later := range []struct {
		since  int
		rights *uint64
		more   uint64
	}{
		{2, &h.Handled_access_fs, unix.LANDLOCK_ACCESS_FS_REFER},
		{3, &h.Handled_access_fs, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
		{4, &h.Handled_access_net, unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP},
		{5, &h.Handled_access_fs, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		{6, &h.Scoped, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL},
	} {
		if version >= later.since {
			*later.rights |= later.more
		}
	}
	return h
}

// restrictFiles confines this thread, and the program that it becomes, by Landlock, if the kernel
// has it. The thread can gain no privileges any more.
func (r Rules) restrictFiles() error {
	ruleset, err := r.ruleset()
	if errors.Is(err, ErrUnavailable) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(ruleset)
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return os.NewSyscallError("landlock", errno)
	}
	return nil
}

// ruleset gives the rules to the kernel. The caller closes the file descriptor.
func (r Rules) ruleset() (int, error) {
	v, err := version()
	if err != nil {
		return 0, err
	}
	attr := handled(v)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("landlock", errno)
	}
	ruleset := int(fd)
	for _, rule := range []struct {
		rights uint64
		paths  []string
	}{
		{runRights, r.Run},
		{readRights, r.Read},
		{writeRights, r.Write},
		{readRights | unix.LANDLOCK_ACCESS_FS_WRITE_FILE, []string{os.DevNull}},
	} {
		for _, path := range rule.paths {
			if err := allow(ruleset, path, rule.rights&attr.Handled_access_fs); err != nil {
				unix.Close(ruleset)
				return 0, err
			}
		}
	}
	return ruleset, nil
}

// allow adds a rule for a file or a folder, if it is there.
func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: %s: %w", path, errno)
	}
	return nil
}
