package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func check() error {
	_, err := version()
	return errors.Join(err, checkSeccomp())
}

// restrict confines this thread, and the program that it becomes, as far as the kernel can.
func (r Rules) restrict() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := r.restrictFiles(); err != nil {
		return err
	}
	return r.restrictCalls()
}

// executable returns the path of this executable, also when another has taken its place on the disk.
func executable() (string, error) { return "/proc/self/exe", nil }

// awaitEnd waits until a process has ended, and leaves it as a zombie, so that its number and its
// group are nobody else's yet.
func awaitEnd(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// execute sets the limit of address space and executes a program. Go has taken more than that, and
// would end if it needed another page in between: so nothing is between.
func execute(args []string, memory uint64) error {
	arguments, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	environment, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	space := [2]uint64{memory, memory} // struct rlimit64
	unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&space)), 0, 0, 0)
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(arguments[0])),
		uintptr(unsafe.Pointer(&arguments[0])), uintptr(unsafe.Pointer(&environment[0])))
	return errno
}
