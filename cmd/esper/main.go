// Command esper keeps fleets of ESP8266 devices up to date: it builds, signs,
// publishes, serves and announces their firmware, and runs it in an emulator.
package main

import (
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func main() {
	// In a container or a systemd unit, memory is collected before its limit is reached: 90 % of
	// it, or what GOMEMLIMIT says. An error is that there is no such thing as a limit here.
	_, _ = memlimit.Set()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
