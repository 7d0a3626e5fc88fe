//go:build !linux

package sandbox

import (
	"fmt"
	"os/exec"
	"runtime"
)

func check() error {
	return fmt.Errorf("%w: Landlock is of Linux, and this is %s", ErrUnavailable, runtime.GOOS)
}

func (r Rules) start(*exec.Cmd) error { return check() }
