package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// helper is what this executable is called as when it is to confine itself and become another
// program. Its arguments are the rules, the program and the program's arguments.
const helper = "esper-sandbox"

// notConfined is the exit code of a helper that failed.
const notConfined = 125

// init is before main, so that each executable that uses this package is a helper, tests included,
// and before most packages are initialized, which takes its time.
func init() {
	if os.Args[0] != helper || len(os.Args) < 3 {
		return
	}
	err := become(os.Args[1], os.Args[2:])
	fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[2], err)
	os.Exit(notConfined)
}

// become confines this process and executes a program in it. It returns only if that fails.
func become(rules string, args []string) error {
	var r Rules
	if err := json.Unmarshal([]byte(rules), &r); err != nil {
		return err
	}
	runtime.LockOSThread() // what follows holds for this thread, and then for the program
	if err := r.restrict(); err != nil {
		return err
	}
	for _, l := range []struct {
		resource int
		limit    uint64
	}{
		{unix.RLIMIT_CORE, 0}, // there may be secrets in it
		{unix.RLIMIT_FSIZE, uint64(r.FileSize)},
		{unix.RLIMIT_CPU, uint64(r.CPU.Seconds())},
	} {
		n := narrower(l.resource, l.limit)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	return execute(args, narrower(unix.RLIMIT_AS, uint64(r.Memory)))
}

// narrower returns a resource limit, or the one that there is already if that is narrower.
func narrower(resource int, n uint64) uint64 {
	var was unix.Rlimit
	if err := unix.Getrlimit(resource, &was); err != nil {
		return n
	}
	return min(n, uint64(was.Max))
}
