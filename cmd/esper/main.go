// Command esper keeps fleets of ESP8266 devices up to date: it builds, signs,
// publishes, serves and announces their firmware, and runs it in an emulator.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
