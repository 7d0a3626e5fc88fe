package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"

	"esper/internal/build"
	"esper/internal/client"
	"esper/internal/pipeline"
	"esper/internal/preflight"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

// publishCommand publishes releases.
type publishCommand struct {
	From       string   `placeholder:"DIR" help:"Folder with signed releases (default: build, in the site)."`
	Repository string   `placeholder:"DIR" help:"Folder to publish to (default: data/firmware, in the site, which 'esper serve' serves)."`
	Key        []string `placeholder:"PUB" sep:"none" help:"Public key to trust; may be repeated (default: the site's keys)."`
	Type       []string `placeholder:"TYPE" help:"Device type to publish; may be repeated (default: all in the folder)."`
	allowFlags
	romFlag
	NoPreflight bool `help:"Publish without trying the releases in the emulator first."`
	JSON        bool `name:"json" help:"Print JSON."`
	serverFlags
}

// allowFlags ask for what is refused otherwise.
type allowFlags struct {
	Force      bool `help:"Publish even if the sequence is not greater than that of the published release."`
	ChangeLink bool `help:"Publish even what is linked for the emulator where a release for the chip is published, or the reverse."`
}

// allow returns what is asked for.
func (f allowFlags) allow() repository.Allow {
	return repository.Allow{NotNewer: f.Force, OtherLink: f.ChangeLink}
}

// Help is the command's description.
func (c *publishCommand) Help() string {
	return `Takes signed releases from a folder, verifies all of them as devices do, and only then
makes each the one that devices find, whole or not at all. The last five releases of a device
type are kept. The repository is a folder that 'esper serve' serves, and so can any static
web server.

With a release come its deltas, small files that make its images out of those of earlier releases
that are kept. To publish the current release again makes deltas that are missing.

Refused are a version that is published with other content, a sequence that is not greater than
that of the published release, and a release that is linked for the emulator where one for the chip
is published, or the reverse: no device would install any of them. Devices are told by 'esper
trigger', or find out by themselves.

With --server the releases are sent to that server instead. It verifies them by the keys that it
trusts itself (the update.keys of its site, and 'esper serve --trust'), and tells the devices.

In a site the releases are tried in the emulator before, with the bootloader.bin that lies
beside them ('esper preflight'). That happens here, also with --server, which tries nothing.

Exit codes: 0 all are published; 3 one does not verify or fails in the emulator, and nothing
is published; 1 it failed.`
}

// instead implements siteless.
func (c *publishCommand) instead() string {
	if c.From == "" || c.Repository == "" && c.Server == "" || len(c.Key) == 0 {
		return ""
	}
	return "--from with --key and where to publish to"
}

// Run publishes the releases.
func (c *publishCommand) Run(s *streams) error {
	var opened *site.Site
	if c.instead() == "" {
		var err error
		if opened, err = site.Open(c.Site); errors.Is(err, site.ErrNoSite) {
			return hint(err, "outside a site, name folders and key: esper publish --from DIR --repository DIR --key release.pub; --server URL in place of --repository")
		} else if err != nil {
			return err
		}
	}
	from := c.From
	if from == "" {
		from = opened.BuildPath()
	}
	keys, err := trustedKeys(c.Key, opened)
	if err != nil {
		return err
	}
	releases, err := readReleases(from, c.Type, keys)
	if err != nil {
		return err
	}
	to, err := publishTarget(context.Background(), s, c.Repository, &c.serverFlags, opened)
	if err != nil {
		return err
	}
	for _, r := range releases { // before they are tried, which takes longer
		if err := to.Check(r, c.allow()); err != nil {
			return publishHint(err)
		}
	}
	if err := c.try(s, opened, from, to, releases); err != nil {
		return preflightHint(err)
	}
	done, err := publishReleases(to, releases, c.allow())
	for _, o := range done {
		if o.Deltas != nil {
			s.note("%s %s: %v", o.Type, o.Version, o.Deltas)
		}
	}
	return errors.Join(err, printPublished(s, done, c.JSON)) // what was published before an error, too
}

// try tries the releases in the emulator, where there is what that takes.
func (c *publishCommand) try(s *streams, opened *site.Site, from string, to pipeline.Target, releases []*release.Release) error {
	missing := ""
	switch {
	case c.NoPreflight:
		missing = "--no-preflight"
	case opened == nil:
		missing = "without the site nobody knows where the devices are to find broker and updates"
	case !exists(filepath.Join(from, build.BootloaderFile)):
		missing = fmt.Sprintf("there is no %s in %s", build.BootloaderFile, from)
	}
	if missing != "" {
		s.note("warning: not tried in the emulator: %s", missing)
		return nil
	}
	rom, err := c.readROM()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return preflight.Try(ctx, opened, from, to, releases, rom, s.err)
}

// publishTarget is where releases are published: a server if one is named, and else a folder.
func publishTarget(ctx context.Context, s *streams, dir string, f *serverFlags, opened *site.Site) (pipeline.Target, error) {
	if f.Server == "" || dir != "" {
		local, err := openRepository(dir, opened)
		if err != nil {
			return nil, err
		}
		local.SetLog(func(err error) { s.note("warning: %v", err) })
		return local, nil
	}
	server, err := f.client()
	if err != nil {
		return nil, err
	}
	return &client.Repository{Client: server, Context: ctx}, nil
}

// trustedKeys loads the public keys that are named, or else returns the site's.
func trustedKeys(paths []string, s *site.Site) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for _, path := range paths {
		key, err := release.LoadPublicKey(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(paths) == 0 {
		keys = s.Config.Update.Keys
	}
	if len(keys) == 0 {
		return nil, hint(errors.New("the site names no keys to verify with"),
			"name them in esper.toml, update.keys, or with --key")
	}
	return keys, nil
}

// readReleases reads the releases of some device types, or all, from a folder and
// verifies each.
func readReleases(dir string, types []string, keys []ed25519.PublicKey) ([]*release.Release, error) {
	if len(types) == 0 {
		var err error
		if types, err = release.List(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if len(types) == 0 {
		return nil, hint(fmt.Errorf("%s: no signed releases there", dir), "'esper release' builds and signs them")
	}
	var releases []*release.Release
	for _, deviceType := range types {
		r, err := release.Read(dir, deviceType)
		if err != nil {
			return nil, err
		}
		if err := r.Verify(keys); err != nil {
			return nil, &invalidError{hint(fmt.Errorf("%s in %s: %w; nothing was published", deviceType, dir, err),
				"'esper verify' tells about all releases in the folder")}
		}
		releases = append(releases, r)
	}
	return releases, nil
}

// publishReleases publishes verified releases, all checked before the first, and returns those
// that are published when it fails.
func publishReleases(to pipeline.Target, releases []*release.Release, allow repository.Allow) ([]pipeline.Outcome, error) {
	done, err := pipeline.Publish(to, releases, allow)
	return done, publishHint(err)
}

// publishHint adds what to do about an error of a publication.
func publishHint(err error) error {
	switch {
	case errors.Is(err, repository.ErrConflict):
		return hint(err, "devices that run this version would not notice: commit the change, so that it gets another version; if it is ESPer, the compiler or a password that changed, 'git commit --allow-empty'")
	case errors.Is(err, repository.ErrNotNewer):
		return hint(err, "devices install greater sequences only: commit, then release; --force publishes it for new devices")
	case errors.Is(err, repository.ErrLink):
		return hint(err, "devices that run the published one refuse it: build for the same link, by [build] sdk in esper.toml or %s; --change-link publishes it for other devices", site.SDKVariable)
	case errors.Is(err, repository.ErrLocked):
		return hint(err, "wait until it is done, then publish again")
	}
	return err
}

// printPublished prints what was published.
func printPublished(s *streams, done []pipeline.Outcome, asJSON bool) error {
	if asJSON {
		return printJSON(s, done)
	}
	if len(done) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tVERSION\tSEQUENCE\tBEFORE")
	for _, p := range done {
		before := p.Before
		switch {
		case p.Unchanged:
			before = "unchanged"
		case before == "":
			before = "-"
		case before == p.Version:
			before = "the same"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", p.Type, p.Version, p.Sequence, before)
	}
	return w.Flush()
}
