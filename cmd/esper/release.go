package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"esper/internal/build"
	"esper/internal/client"
	"esper/internal/image"
	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/site"
)

// releaseCommand does everything from a commit to the announcement.
type releaseCommand struct {
	Type       []string `placeholder:"TYPE" help:"Device type to release; may be repeated (default: all)."`
	Key        []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three, to reach devices that trust only one of them (default: the site's, see 'esper secrets --help')."`
	Repository string   `placeholder:"DIR" help:"Folder to publish to (default: data/firmware, in the site, which 'esper serve' serves)."`
	Version    string   `placeholder:"NAME" help:"Version by hand, together with --sequence, also of what has not changed (default: from git)."`
	Sequence   uint32   `placeholder:"N" help:"Sequence by hand, together with --version (default: from git)."`
	All        bool     `help:"Release device types whose firmware has not changed, too."`
	allowFlags
	romFlag
	NoPreflight bool `help:"Publish without trying the release in the emulator first."`
	NoNotify    bool `help:"Do not tell the devices; they find the release at their next check."`
	JSON        bool `name:"json" help:"Print JSON."`
	tellFlags
}

// Help is the command's description.
func (c *releaseCommand) Help() string {
	return `Builds the device types of the site, signs the images, publishes the releases, and tells the
devices over MQTT to check. Version and sequence come from git: the commit, and the number of
commits in its history. What is released is what is committed: a file in devices or lib that is not
as in the commit, or that git ignores, is named.

Only device types whose firmware changed are released: a commit to one does not update the
others. They are built with the version of their published release and must not differ from
it in a single byte. A change of esper.toml, of the compiler or of ESPer itself can change
them all. --all releases every type.

Nothing is published unless every device type has been built and signed, and tried in the
emulator: started from each slot, and updated from the release that is published now ('esper
preflight'). A release that fails is refused, with what the device sent on its serial line.

With --server the releases are sent to that server, which verifies them by the public keys that
it trusts, publishes them and tells the devices. The private key stays here, and they are tried here:
the server tries nothing.

Exit codes: 0 done; 3 a release failed in the emulator; 1 it failed otherwise. If only the
devices could not be told, the releases are published all the same.`
}

// Validate checks the command line.
func (c *releaseCommand) Validate() error {
	if (c.Version == "") != (c.Sequence == 0) {
		return errors.New("--version and --sequence go together, and the sequence begins with 1")
	}
	return nil
}

// instead implements siteless: what is built is always the site.
func (c *releaseCommand) instead() string { return "" }

// Run releases.
func (c *releaseCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	keys, err := signingKeys(s, opened, c.Key)
	if err != nil {
		return err
	}
	version, err := c.version(opened)
	if err != nil {
		return err
	}
	rom, err := c.readROM()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	to, err := publishTarget(ctx, s, c.Repository, &c.serverFlags, opened)
	if err != nil {
		return err
	}
	uploads, remote := to.(*client.Repository)
	if remote {
		uploads.Quiet = c.NoNotify
	}
	done, err := pipeline.Job{
		Site: opened, Version: version, Keys: keys, Types: c.Type, All: c.All || c.Version != "", Allow: c.allow(),
		Untried: c.NoPreflight, ROM: rom, Target: to, Log: s.err,
	}.Run(ctx)
	err = preflightHint(publishHint(buildHint(err)))
	if err := errors.Join(err, printPublished(s, done, c.JSON)); err != nil || c.NoNotify {
		return err
	}
	if !slices.ContainsFunc(done, func(o pipeline.Outcome) bool { return !o.Unchanged }) {
		s.note("nothing has changed, so the devices are not told")
		return nil
	}
	if remote {
		s.note("the server tells the devices")
		return nil
	}
	if err := c.tell(ctx, []string{""}, func(topic, where string) { s.note("told the devices: %s at %s", topic, where) }); err != nil {
		todo := "'esper trigger --all' tells them; they find it at their next check, too"
		if h := new(hintError); errors.As(err, &h) {
			todo = h.hint + "; then " + todo
		}
		return hint(fmt.Errorf("published, but the devices could not be told: %w", err), "%s", todo)
	}
	return nil
}

// version returns the version by hand, or that of a commit.
func (c *releaseCommand) version(opened *site.Site) (site.Version, error) {
	if c.Version != "" {
		return site.Version{Name: c.Version, Sequence: c.Sequence}, image.CheckVersion(c.Version)
	}
	return committed(opened, "commit, or give --version and --sequence by hand")
}

// committed returns the version of a commit, which a release must have.
func committed(opened *site.Site, orElse string) (site.Version, error) {
	version, err := opened.Version()
	switch {
	case err != nil:
		return version, buildHint(err)
	case version.Change != "":
		return version, hint(fmt.Errorf("%s has changes that are not committed, such as %q: the release would not be what any commit says", opened.Dir, version.Change),
			"commit them ('git add -f' adds what git ignores), or 'esper build' for a development build")
	case version.Sequence == 0:
		return version, hint(fmt.Errorf("%s has no commit, where the version would come from", opened.Dir), "%s", orElse)
	}
	return version, nil
}

// buildAndSign builds device types of a site into its build folder and signs them
// there, all or none.
func buildAndSign(ctx context.Context, opened *site.Site, keys []ed25519.PrivateKey, o build.Options) ([]*release.Release, error) {
	releases, err := pipeline.Sign(ctx, opened, keys, o)
	return releases, buildHint(err)
}
