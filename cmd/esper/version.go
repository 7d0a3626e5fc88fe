package main

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// versionCommand prints the version of this program.
type versionCommand struct{}

// Run prints the version of the module, or the commit that it was built from.
func (c *versionCommand) Run(s *streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program does not know what it was built from")
	}
	fmt.Fprintf(s.out, "esper %s, %s\n", info.Main.Version, info.GoVersion)
	return nil
}
