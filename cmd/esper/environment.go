package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"esper/internal/site"
)

// environmentFlag is the site's environment, for every command that opens a site.
type environmentFlag string

// AfterApply lets the site, and programs that are run, know it.
func (e environmentFlag) AfterApply() error {
	return os.Setenv(site.EnvironmentVariable, string(e))
}

// siteless is a command that does not look at the site if some flags are there.
type siteless interface {
	// instead returns the flags that are there in place of the site, empty if it is looked at.
	instead() string
}

// checkEnvironment returns why a command would pay no attention to --environment, if that is on
// the command line: a person who names the laboratory means no other place. The variable
// ESPER_ENVIRONMENT is for whoever needs it.
func checkEnvironment(ctx *kong.Context) error {
	if !slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == "environment" }) {
		return nil
	}
	command := ctx.Selected()
	for at := command; at != nil; at = at.Parent {
		if at.Tag != nil && at.Tag.Get("environment") == "-" {
			return hint(fmt.Errorf("'%s' has nothing to do with --environment", command.FullPath()), "leave --environment out")
		}
	}
	if c, ok := command.Target.Addr().Interface().(siteless); ok && c.instead() != "" {
		return hint(fmt.Errorf("--environment would choose nothing, since %s counts for more than the site", c.instead()),
			"leave one of the two out")
	}
	return nil
}
