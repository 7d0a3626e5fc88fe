package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"esper/internal/release"
	"esper/internal/site"
)

// verifyCommand checks releases.
type verifyCommand struct {
	Dir  string   `arg:"" optional:"" placeholder:"DIR|URL" help:"Folder with releases, or URL of a server's (default: the site's build folder; with --rebuild what is published, data/firmware)."`
	Key  []string `placeholder:"PUB" sep:"none" help:"Public key to trust; may be repeated (default: the site's keys)."`
	Type []string `placeholder:"TYPE" help:"Device type to check; may be repeated (default: all in the folder)."`
	JSON bool     `name:"json" help:"Print JSON."`

	Rebuild bool `help:"Build each release again from its commit, too, and compare."`
}

// Help is the command's description.
func (c *verifyCommand) Help() string {
	return `Checks each release in a folder as a device does: version file and images are well-formed
and whole, belong together, and one of the trusted keys signed each image.

--rebuild checks out the commit of each release, clean, in a temporary folder, builds it with the
same version and sequence, and compares the images byte by byte. It needs the site's git
repository, the compiler and the ESPer that built the release, and the same secrets. Where
they differ, it says where in the firmware.

Exit codes: 0 every release verifies; 3 one does not; 1 it could not be checked.`
}

// verdict is what is printed about a release.
type verdict struct {
	Type     string `json:"type"`
	Version  string `json:"version,omitempty"`
	Sequence uint32 `json:"sequence"`
	Verified bool   `json:"verified"`
	Error    string `json:"error,omitempty"`
}

// Run checks the releases.
func (c *verifyCommand) Run(s *streams) error {
	dir, keys, err := c.where()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	types := c.Type
	shown := dir
	if strings.HasPrefix(dir, "http://") || strings.HasPrefix(dir, "https://") {
		temp, err := os.MkdirTemp("", "esper-verify-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		if types, err = fetchReleases(ctx, dir, types, temp); err != nil {
			return err
		}
		dir = temp
	}
	if len(types) == 0 {
		if types, err = release.List(dir); err != nil {
			return err
		}
		if len(types) == 0 {
			return hint(fmt.Errorf("%s: no releases there", shown), "'esper release' makes them")
		}
	}
	verdicts, bad := []verdict{}, 0
	for _, deviceType := range types {
		v := judge(dir, deviceType, keys)
		if v.Verified && c.Rebuild {
			if err := c.rebuild(ctx, s, dir, &v); err != nil {
				return err
			}
		}
		if !v.Verified {
			bad++
		}
		verdicts = append(verdicts, v)
	}
	if err := c.print(s, verdicts); err != nil {
		return err
	}
	if bad > 0 {
		return &invalidError{fmt.Errorf("%s: %d of %d releases not verified", shown, bad, len(types))}
	}
	return nil
}

// instead implements siteless.
func (c *verifyCommand) instead() string {
	if c.Dir != "" && len(c.Key) > 0 && !c.Rebuild {
		return "the folder with --key"
	}
	return ""
}

// where returns the folder and the keys to check with, from the command line as
// far as they are there, else from the site.
func (c *verifyCommand) where() (dir string, keys []ed25519.PublicKey, err error) {
	for _, path := range c.Key {
		key, err := release.LoadPublicKey(path)
		if err != nil {
			return "", nil, err
		}
		keys = append(keys, key)
	}
	if c.instead() != "" {
		return c.Dir, keys, nil
	}
	opened, err := site.Open(".")
	if errors.Is(err, site.ErrNoSite) {
		return "", nil, hint(err, "outside a site, name the folder and a key: esper verify DIR --key release.pub")
	}
	if err != nil {
		return "", nil, err
	}
	if c.Dir != "" {
		dir = c.Dir
	} else {
		dir = opened.BuildPath()
		if c.Rebuild {
			dir = repositoryDir(opened.DataPath())
		}
	}
	if len(keys) == 0 {
		keys = opened.Config.Update.Keys
	}
	if len(keys) == 0 {
		return "", nil, hint(errors.New("the site names no keys to verify with"),
			"name them in esper.toml, update.keys, or with --key")
	}
	return dir, keys, nil
}

// judge checks one release.
func judge(dir, deviceType string, keys []ed25519.PublicKey) verdict {
	v := verdict{Type: deviceType}
	r, err := release.Read(dir, deviceType)
	if err == nil {
		v.Version, v.Sequence = r.Version, r.Sequence
		err = r.Verify(keys)
	}
	if err != nil {
		v.Error = err.Error()
	}
	v.Verified = err == nil
	return v
}

// print prints the verdicts.
func (c *verifyCommand) print(s *streams, verdicts []verdict) error {
	if c.JSON {
		return printJSON(s, verdicts)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tVERSION\tSEQUENCE\tRESULT")
	for _, v := range verdicts {
		result, version, sequence := "verified", v.Version, fmt.Sprint(v.Sequence)
		if c.Rebuild {
			result = "verified, rebuilt to the same bytes"
		}
		if !v.Verified {
			result = v.Error
		}
		if version == "" {
			version, sequence = "-", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.Type, version, sequence, result)
	}
	return w.Flush()
}
