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
	"slices"
	"strings"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/pipeline"
	"esper/internal/release"
	"esper/internal/site"
)

// releaseCommand does everything from a commit to the announcement.
type releaseCommand struct {
	Type        []string `placeholder:"TYPE" help:"Device type to release; may be repeated (default: all)."`
	Key         []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three, to reach devices that trust only one of them (default: release.key, in the site)."`
	SDK         string   `name:"sdk" env:"SDK_DIR" placeholder:"DIR" help:"Link for the chip, with the vendor's NONOS SDK 3.0 in DIR (default: for the emulator)."`
	Repository  string   `placeholder:"DIR" help:"Folder to publish to (default: data/firmware, in the site, which 'esper serve' serves)."`
	Version     string   `placeholder:"NAME" help:"Version by hand, together with --sequence (default: from git)."`
	Sequence    uint32   `placeholder:"N" help:"Sequence by hand, together with --version (default: from git)."`
	All         bool     `help:"Release device types whose firmware has not changed, too."`
	Force       bool     `help:"Publish even if the sequence is not greater than that of the published release."`
	NoPreflight bool     `help:"Publish without trying the release in the emulator first."`
	NoNotify    bool     `help:"Do not tell the devices; they find the release at their next check."`
	JSON        bool     `name:"json" help:"Print JSON."`
	tellFlags
}

// Help is the command's description.
func (c *releaseCommand) Help() string {
	return `Builds the device types of the site, signs the images, publishes the releases, and tells the
devices over MQTT to check. Version and sequence come from git: the commit, and the number of
commits on its first-parent line; so what is released is what is committed.

Only device types whose firmware changed are released: a commit to one does not update the
others. They are built with the version of their published release and must not differ from
it in a single byte. A change of esper.toml, of the compiler or of ESPer itself can change
them all. --all releases every type.

Nothing is published unless every device type has been built and signed, and tried in the
emulator: started from each slot, and updated from the release that is published now ('esper
preflight'). A release that fails is refused, with what the device sent on its serial line.

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

// Run releases.
func (c *releaseCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	keys, err := c.signingKeys(s, opened)
	if err != nil {
		return err
	}
	version, err := c.version(opened)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	repo, err := openRepository(c.Repository, opened)
	if err != nil {
		return err
	}
	done, err := pipeline.Job{
		Site: opened, Version: version, Keys: keys, Types: c.Type, All: c.All, Force: c.Force, Untried: c.NoPreflight, SDKDir: c.SDK, Target: repo, Log: s.err,
	}.Run(ctx)
	err = preflightHint(publishHint(buildHint(err)))
	if err := errors.Join(err, printPublished(s, done, c.JSON)); err != nil || c.NoNotify {
		return err
	}
	if !slices.ContainsFunc(done, func(o pipeline.Outcome) bool { return !o.Unchanged }) {
		s.note("nothing has changed, so the devices are not told")
		return nil
	}
	if err := c.tell(ctx, []string{""}, func(topic, where string) { s.note("told the devices: %s at %s", topic, where) }); err != nil {
		return fmt.Errorf("published, but the devices could not be told: %w", err)
	}
	return nil
}

// signingKeys loads the private keys, and sees to it that devices will trust one.
func (c *releaseCommand) signingKeys(s *streams, opened *site.Site) ([]ed25519.PrivateKey, error) {
	paths := c.Key
	if len(paths) == 0 {
		paths = []string{filepath.Join(opened.Dir, site.KeyName+".key")}
	}
	var keys []ed25519.PrivateKey
	trusted := opened.Config.Update.URL == ""
	for _, path := range paths {
		key, err := release.LoadPrivateKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hint(fmt.Errorf("no private key to sign with: %w", err), "--key FILE names it; 'esper keygen' makes one")
		}
		if err != nil {
			return nil, err
		}
		if release.ReadableByOthers(path) {
			s.note("warning: others can read %s: chmod 600 %s", path, path)
		}
		keys = append(keys, key)
		trusted = trusted || slices.ContainsFunc(opened.Config.Update.Keys, func(k ed25519.PublicKey) bool {
			return k.Equal(key.Public())
		})
	}
	if !trusted {
		return nil, hint(fmt.Errorf("%s is not the key of any of update.keys in esper.toml: devices with this firmware would trust no release that it signs", strings.Join(paths, ", ")),
			"add its public key to update.keys, or sign with a key that is there, too")
	}
	return keys, nil
}

// version returns the version by hand, or that of a commit.
func (c *releaseCommand) version(opened *site.Site) (site.Version, error) {
	if c.Version != "" {
		return site.Version{Name: c.Version, Sequence: c.Sequence}, image.CheckVersion(c.Version)
	}
	version, err := opened.Version()
	switch {
	case err != nil:
		return version, buildHint(err)
	case version.Sequence == 0 && version.Dirty:
		return version, hint(fmt.Errorf("%s has changes that are not committed: the release would not be what any commit says", opened.Dir),
			"commit them, or 'esper build' for a development build")
	case version.Sequence == 0:
		return version, hint(fmt.Errorf("%s has no commit, where the version would come from", opened.Dir),
			"commit, or give --version and --sequence by hand")
	}
	return version, nil
}

// buildAndSign builds device types of a site into its build folder and signs them
// there, all or none.
func buildAndSign(ctx context.Context, opened *site.Site, keys []ed25519.PrivateKey, o build.Options) ([]*release.Release, error) {
	releases, err := pipeline.Sign(ctx, opened, keys, o)
	return releases, buildHint(err)
}
