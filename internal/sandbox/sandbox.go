// Package sandbox runs programs that read what others wrote, so that they can touch
// only what they need: files by Linux Landlock, system calls by seccomp, memory and time by
// resource limits.
package sandbox

import (
	"encoding/json"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// ErrUnavailable says that the kernel cannot confine a program, and why.
var ErrUnavailable = errors.New("the kernel does not confine programs")

// Rules are what a program can touch. Beside it there is /dev/null. A folder stands for all
// below it, a link for what it leads to, and what is not there for nothing.
type Rules struct {
	Run   []string // to read and to execute
	Read  []string
	Write []string // to read and to write; in folders, files can be made and removed

	Children bool // it may start other programs, which have the same rules and end with it

	// Limits for it, and for each of its children.
	Memory   int           // bytes of address space
	FileSize int           // bytes of each file that is written
	CPU      time.Duration // whole seconds
}

// Check returns nil if [Run] confines programs here, else an [ErrUnavailable].
func Check() error { return check() }

// Run is cmd.Run with rules. A confined program has no sockets, cannot trace other programs, and
// cannot signal those outside where the kernel is new enough for that (Linux 6.12). Where [Check]
// returns an error, only the limits hold, and as much of the rest as the kernel has. When the
// context ends, the program and its children do.
func Run(cmd *exec.Cmd, r Rules) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	if err := r.wrap(cmd); err != nil {
		return err
	}
	// Children stay in the group: without seccomp, unless they take pains not to.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killAll := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if cmd.Cancel != nil {
		cmd.Cancel = killAll
	}
	cmd.WaitDelay = 5 * time.Second // for what has left the group and holds the output
	if err := cmd.Start(); err != nil {
		return err
	}
	awaitEnd(cmd.Process.Pid)
	killAll() // an error says that nobody is left
	return cmd.Wait()
}

// wrap has this very executable started, which confines itself and becomes the program ([init]):
// Go can do nothing between fork and exec.
func (r Rules) wrap(cmd *exec.Cmd) error {
	self, err := executable()
	if err != nil {
		return err
	}
	rules, err := json.Marshal(r)
	if err != nil {
		return err
	}
	cmd.Args = append([]string{helper, string(rules), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	return nil
}
