package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/preflight"
	"esper/internal/repository"
	"esper/internal/site"
)

// preflightCommand tries a site's firmware without releasing it.
type preflightCommand struct {
	Site       string   `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Type       []string `placeholder:"TYPE" help:"Device type to try; may be repeated (default: all)."`
	Key        []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key that would sign; up to three (default: the site's, see 'esper secrets --help')."`
	Repository string   `placeholder:"DIR" help:"Folder with the published releases (default: data/firmware, in the site)."`
	JSON       bool     `name:"json" help:"Print JSON."`
	romFlag
}

// Help is the command's description.
func (c *preflightCommand) Help() string {
	return `Builds the site as it lies there and tries it in the emulator, as 'esper release' does
before it publishes anything; nothing is published, and the build folder stays as it is. Each
device type is started from each slot, and updated from the release that is published now. It must
reach the broker, report itself, stay healthy for five minutes, look for updates where esper.toml says,
and be confirmed. The minutes are the device's own: all of it takes seconds.

What a device sent on its serial line is in build/preflight/TYPE.log.

Exit codes: 0 all is good; 3 a release of this would be refused; 1 it failed.`
}

// Run tries the firmware.
func (c *preflightCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	keys, err := signingKeys(s, opened, c.Key)
	if err != nil {
		return err
	}
	repo, err := openRepository(c.Repository, opened)
	if err != nil {
		return err
	}
	rom, err := c.readROM()
	if err != nil {
		return err
	}
	version, err := tryVersion(opened, repo)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "esper-preflight-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	releases, err := buildAndSign(ctx, opened, keys, build.Options{Dir: dir, Types: c.Type, Version: &version, Log: s.err})
	if err != nil {
		return err
	}
	o, err := preflight.ForSite(opened, dir, repo, releases)
	if err != nil {
		return err
	}
	o.ROM = rom
	o.LogDir = filepath.Join(opened.BuildPath(), preflight.Dir)
	report, err := preflight.Check(ctx, o)
	if err := c.print(s, report, err); err != nil {
		return err
	}
	return preflightHint(err)
}

// tryVersion is a version that every device would install in the place of what is published.
func tryVersion(opened *site.Site, repo *repository.Repository) (site.Version, error) {
	version, err := opened.Version()
	if err != nil {
		return version, buildHint(err)
	}
	types, err := repo.Types()
	if err != nil {
		return version, err
	}
	for _, deviceType := range types {
		newest, err := repo.Newest(deviceType)
		if err != nil {
			return version, err
		}
		version.Sequence = max(version.Sequence, newest.Sequence+1)
	}
	const suffix = "+try" // which no release has
	version.Name = version.Name[:min(len(version.Name), image.MaxVersion-len(suffix))] + suffix
	return version, nil
}

// print prints the cases that were tried to the end.
func (c *preflightCommand) print(s *streams, r *preflight.Report, err error) error {
	var f *preflight.Failure
	if err != nil && !errors.As(err, &f) {
		return nil
	}
	if c.JSON {
		return printJSON(s, r)
	}
	for _, w := range r.Warnings {
		s.note("warning: %s", w)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tTRIED\tFROM\tRESULT")
	for _, c := range r.Cases {
		result := c.Reason
		if result == "" {
			result = "good"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Type, c.Name, orDash(c.From), result)
	}
	return w.Flush()
}

// preflightHint adds what to do about a release that failed in the emulator.
func preflightHint(err error) error {
	var logs []string
	for _, f := range preflight.Failures(err) {
		if f.LogFile != "" {
			logs = append(logs, f.LogFile)
		}
	}
	switch {
	case len(preflight.Failures(err)) == 0:
		return err
	case len(logs) == 0:
		return &invalidError{hint(err, "mend it, and try it with 'esper preflight'")}
	}
	return &invalidError{hint(err, "mend it, and try it with 'esper preflight'; the whole serial log: %s", strings.Join(logs, ", "))}
}
