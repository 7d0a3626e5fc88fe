//go:build !linux

package sandbox

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func check() error {
	return fmt.Errorf("%w: Landlock and seccomp are of Linux, and this is %s", ErrUnavailable, runtime.GOOS)
}

func (r Rules) restrict() error { return nil }

func awaitEnd(int) {}

func executable() (string, error) { return os.Executable() }

func execute(args []string, memory uint64) error {
	unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: memory, Max: memory}) // not every system has it
	return unix.Exec(args[0], args, os.Environ())
}
