// Package sandbox starts programs that read what others wrote, so that they can touch
// only what they need: files by Linux Landlock, memory by resource limits.
package sandbox

import (
	"errors"
	"fmt"
	"os/exec"
)

// ErrUnavailable says that the kernel cannot confine a program, and why.
var ErrUnavailable = errors.New("the kernel does not confine programs")

// Rules are what a program can touch, with all the programs that it starts. Beside it there
// is /dev/null. A folder stands for all below it, a link for what it leads to, and what
// is not there for nothing.
type Rules struct {
	Run   []string // to read and to execute
	Read  []string
	Write []string // to read and to write; in folders, files can be made and removed

	Memory   int // bytes of address space for each of the programs
	FileSize int // bytes of each file that they write
}

// Check returns nil if [Start] confines programs here, else an [ErrUnavailable].
func Check() error { return check() }

// Start is cmd.Start with rules. A confined program cannot use TCP either, nor send signals to
// programs outside, where the kernel is new enough for that (Linux 6.7 and 6.12). Where
// [Check] returns an error, only the limits on memory and files hold.
func Start(cmd *exec.Cmd, r Rules) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	r.limit(cmd)
	if check() != nil {
		return cmd.Start()
	}
	return r.start(cmd)
}

// limit has a shell set the limits, which then becomes the program: to set them from
// outside would be too late for what the program starts at once, and this process has to
// keep its own. It is no error if there are narrower ones already. ulimit counts in 1024
// and 512 bytes. No core is written, in which there may be secrets.
func (r Rules) limit(cmd *exec.Cmd) {
	script := fmt.Sprintf(`{ ulimit -c 0; ulimit -v %d; ulimit -f %d; } 2>/dev/null; exec "$@"`, r.Memory>>10, r.FileSize>>9)
	cmd.Args = append([]string{"sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}
