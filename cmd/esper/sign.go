package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// signCommand signs what was built elsewhere.
type signCommand struct {
	Dir  string   `arg:"" help:"Folder that 'esper build --release' wrote."`
	Key  []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three (default: the site's, if you are in one)."`
	Type []string `placeholder:"TYPE" help:"Device type to sign; may be repeated (default: all in the folder)."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// Help is the command's description.
func (c *signCommand) Help() string {
	return `Signs the releases in a folder that 'esper build --release' wrote on a machine without the key.
Carry the folder to the machine with the key, sign, and carry it back: 'esper publish --from DIR'
publishes it. Neither site nor compiler are needed here.

Before anything is signed, all images are checked: that they are whole, belong together, and are
those that the manifest names. What they do, nobody can tell from them: the table shows each
image's SHA-256, which another machine that builds the same commit must come to as well.

Exit codes: 0 all are signed; 3 images are not right, and nothing is signed; 1 it failed.`
}

// signed is what is printed about a release.
type signed struct {
	Type     string              `json:"type"`
	Version  string              `json:"version"`
	Sequence uint32              `json:"sequence"`
	SHA256   [image.Slots]string `json:"sha256"`
}

// Run signs.
func (c *signCommand) Run(s *streams) error {
	keys, err := c.keys(s)
	if err != nil {
		return err
	}
	types := c.Type
	if len(types) == 0 {
		if types, err = release.ListUnsigned(c.Dir); err != nil {
			return err
		}
	}
	if len(types) == 0 {
		return hint(fmt.Errorf("%s: nothing to sign there", c.Dir), "'esper build --release %s' puts it there", c.Dir)
	}
	var releases []*release.Release
	for _, deviceType := range types {
		r, err := release.SignFolder(c.Dir, deviceType, keys...)
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil {
			return &invalidError{hint(fmt.Errorf("%s in %s: %w; nothing was signed", deviceType, c.Dir, err),
				"they changed after they were built: build and carry them again")}
		}
		releases = append(releases, r)
	}
	done := []signed{}
	for _, r := range releases {
		if err := r.Write(c.Dir); err != nil {
			return err
		}
		d := signed{Type: r.Type, Version: r.Version, Sequence: r.Sequence}
		for slot, content := range r.Images {
			d.SHA256[slot] = fmt.Sprintf("%x", sha256.Sum256(content))
		}
		done = append(done, d)
	}
	return c.print(s, done)
}

// instead implements siteless.
func (c *signCommand) instead() string {
	if len(c.Key) > 0 {
		return "--key (or ESPER_KEY)"
	}
	return ""
}

// keys loads the private keys.
func (c *signCommand) keys(s *streams) ([]ed25519.PrivateKey, error) {
	if len(c.Key) > 0 {
		return loadKeys(s, c.Key)
	}
	opened, err := site.Open(".")
	if errors.Is(err, site.ErrNoSite) {
		return nil, hint(errors.New("no private key to sign with"), "--key FILE names it")
	}
	if err != nil {
		return nil, err
	}
	key, _, err := siteKey(s, opened)
	return []ed25519.PrivateKey{key}, err
}

// print prints what was signed.
func (c *signCommand) print(s *streams, done []signed) error {
	if c.JSON {
		return printJSON(s, done)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tVERSION\tSEQUENCE\tSLOT\tSHA256")
	for _, d := range done {
		for slot, digest := range d.SHA256 {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", d.Type, d.Version, d.Sequence, slot, digest)
		}
	}
	return w.Flush()
}
