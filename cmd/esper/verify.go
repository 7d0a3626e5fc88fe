package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/settings"
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

In a repository, or in the folder of a release there, it checks the release's deltas, too: each
must make the image that was checked out of the image of the release that it is from, if that is
kept. A delta that is damaged does no harm, as devices then download the image; to publish
the release again replaces it. A server's URL does not list deltas.

Settings releases (TYPE.settings, and in a repository those for single devices) are checked, too: that
they are well-formed and a trusted key signed them. What is sealed in them it does not open.

--rebuild checks out the commit of each release, clean, in a temporary folder, builds it with the
same version and sequence, and compares the images byte by byte. It needs the site's git
repository, the compiler and the ESPer that built the release, and the same secrets. Where
they differ, it says where in the firmware. Deltas are not built again, since another ESPer may
make others: what counts is that they make the images that were built again.

Exit codes: 0 every release verifies; 3 one does not, or a delta is damaged; 1 it could not be
checked.`
}

// verdict is what is printed about a release.
type verdict struct {
	Type     string `json:"type"`
	Version  string `json:"version,omitempty"`
	Sequence uint32 `json:"sequence"`
	Verified bool   `json:"verified"`
	Error    string `json:"error,omitempty"`

	Deltas []repository.DeltaCheck `json:"deltas,omitempty"`
}

// damaged returns the deltas that are not right.
func (v verdict) damaged() []repository.DeltaCheck {
	return slices.DeleteFunc(slices.Clone(v.Deltas), func(d repository.DeltaCheck) bool { return d.Error == "" })
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
	verdicts := []verdict{}
	if len(types) == 0 {
		if types, err = release.List(dir); err != nil {
			return err
		}
		if verdicts, err = judgeSettings(dir, keys); err != nil {
			return err
		}
		if len(types)+len(verdicts) == 0 {
			return hint(fmt.Errorf("%s: no releases there", shown), "'esper release' makes them")
		}
	}
	for _, deviceType := range types {
		v := judge(dir, deviceType, keys)
		if v.Verified && c.Rebuild {
			if err := c.rebuild(ctx, s, dir, &v); err != nil {
				return err
			}
		}
		verdicts = append(verdicts, v)
	}
	if err := c.print(s, verdicts); err != nil {
		return err
	}
	return invalid(shown, verdicts)
}

// invalid returns the error that not all in a folder is right, or nil.
func invalid(shown string, verdicts []verdict) error {
	bad, damaged := 0, []string{}
	for _, v := range verdicts {
		if !v.Verified {
			bad++
		}
		for _, d := range v.damaged() {
			damaged = append(damaged, d.File)
		}
	}
	switch {
	case bad > 0:
		return &invalidError{fmt.Errorf("%s: %d of %d releases not verified", shown, bad, len(verdicts))}
	case len(damaged) > 0:
		return &invalidError{hint(fmt.Errorf("%s: damaged deltas: %s", shown, strings.Join(damaged, ", ")),
			"publish the release again ('esper publish'), which replaces them; meanwhile devices download the image")}
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

// judge checks one release, and its deltas if it verifies.
func judge(dir, deviceType string, keys []ed25519.PublicKey) verdict {
	v := verdict{Type: deviceType}
	r, err := release.Read(dir, deviceType)
	if err == nil {
		v.Version, v.Sequence = r.Version, r.Sequence
		err = r.Verify(keys)
	}
	if err == nil {
		v.Deltas, err = repository.CheckDeltas(dir, r)
	}
	if err != nil {
		v.Error = err.Error()
	}
	v.Verified = err == nil
	return v
}

// judgeSettings checks the settings releases in a folder, and those for single devices in a repository.
func judgeSettings(dir string, keys []ed25519.PublicKey) ([]verdict, error) {
	verdicts := []verdict{}
	for _, pattern := range []string{"*", filepath.Join("devices", "*")} {
		files, err := filepath.Glob(filepath.Join(dir, pattern+settings.Suffix))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			v := verdict{Type: filepath.Base(path)}
			content, err := readAtMost(path, settings.MaxRelease)
			var r *settings.Release
			if err == nil {
				r, err = settings.ParseRelease(content)
			}
			if err == nil {
				v.Version, v.Sequence = fmt.Sprint(r.Sequence), r.Sequence
				err = misplaced(r.Header, v.Type)
			}
			if err == nil {
				err = r.Verify(keys)
			}
			if err != nil {
				v.Error = err.Error()
			}
			v.Verified = err == nil
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, nil
}

// misplaced returns an error if a settings release should have another name than its file has.
func misplaced(h settings.Header, name string) error {
	if name != settings.FileName(h.Chip) && (h.Chip != "" || h.Type != settings.AllTypes && name != settings.FileName(h.Type)) {
		return fmt.Errorf("%w: it is for %s %s", settings.ErrWrongDevice, h.Type, h.Chip)
	}
	return nil
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
		if c.Rebuild && !strings.HasSuffix(v.Type, settings.Suffix) {
			result = "verified, rebuilt to the same bytes"
		}
		result += v.deltas()
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

// deltas returns what is printed of the deltas of a release that verifies.
func (v verdict) deltas() string {
	if len(v.Deltas) == 0 {
		return ""
	}
	text, unknown := ", "+plural(len(v.Deltas), "delta"), 0
	for _, d := range v.Deltas {
		if !d.Applied && d.Error == "" {
			unknown++
		}
	}
	if unknown > 0 {
		text += fmt.Sprintf(" (%d not tried: the releases that they are from are not here)", unknown)
	}
	for _, d := range v.damaged() {
		text += fmt.Sprintf("; %s: %s", d.File, d.Error)
	}
	return text
}
