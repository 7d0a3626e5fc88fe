package preflight

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"esper/emulator/sdk"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// Dir is the folder for the logs, in the build folder.
const Dir = "preflight"

// Published finds what devices run now: a repository.
type Published interface {
	// Current is the release of a device type that devices find; none: an fs.ErrNotExist.
	Current(deviceType string) (*release.Release, error)
}

// Try tries releases as [ForSite] and [Check] do, and says in the log how it went, a
// line for each fact, and what devices that failed sent on their serial lines.
func Try(ctx context.Context, s *site.Site, dir string, from Published, releases []*release.Release, log io.Writer) error {
	began := time.Now()
	o, err := ForSite(ctx, s, dir, from, releases)
	if err != nil || len(o.Subjects) == 0 {
		return err
	}
	var types []string
	for _, subject := range o.Subjects {
		types = append(types, subject.Release.Type)
		if subject.Twin != nil {
			fmt.Fprintf(log, "preflight: %s is linked for the chip; the emulator's link of the site's sources is tried\n", subject.Release.Type)
		}
	}
	r, err := Check(ctx, o)
	for _, w := range r.Warnings {
		fmt.Fprintf(log, "warning: %s\n", w)
	}
	for _, f := range Failures(err) {
		fmt.Fprintf(log, "preflight: %v\n", f)
		for line := range strings.Lines(f.Serial) {
			fmt.Fprintf(log, "  %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if err == nil {
		fmt.Fprintf(log, "preflight: all %d cases of %s are good, in %.1f s\n", len(r.Cases), strings.Join(types, ", "), time.Since(began).Seconds())
	}
	return err
}

// ForSite says what is to be tried of releases that were built from a site into its folder
// dir and signed: each that is not the published release already. Of a release that is linked for the
// chip, the emulator's link of the same sources is built for it.
func ForSite(ctx context.Context, s *site.Site, dir string, from Published, releases []*release.Release) (Options, error) {
	o := Options{Config: s.Config, LogDir: filepath.Join(dir, Dir)}
	var err error
	if o.Bootloader, err = os.ReadFile(filepath.Join(dir, build.BootloaderFile)); err != nil {
		return o, err
	}
	for _, r := range releases {
		subject := Subject{Release: r}
		current, err := from.Current(r.Type)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return o, fmt.Errorf("the published release of %s: %w", r.Type, err)
		case current.Version == r.Version: // publishing it again does nothing, or is refused
			continue
		default:
			subject.Published = current
		}
		if !sdk.Runs(r.Images[0]) {
			if subject.Twin, err = makeTwin(ctx, s, r); err != nil {
				return o, fmt.Errorf("link %s for the emulator: %w", r.Type, err)
			}
		} else {
			for slot := range image.Slots {
				path := filepath.Join(dir, fmt.Sprintf("%s.elf%d", r.Type, slot))
				if _, err := os.Stat(path); err == nil {
					subject.ELF = append(subject.ELF, path)
				}
			}
		}
		o.Subjects = append(o.Subjects, subject)
	}
	return o, nil
}

// makeTwin builds the emulator's link of a release, and of the one before it. They are signed
// with a key that is thrown away: nothing that a device would install may lie about.
func makeTwin(ctx context.Context, s *site.Site, r *release.Release) (*Twin, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "esper-preflight-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	twin := *s
	if twin.Config.Update.URL != "" {
		twin.Config.Update.Keys = []ed25519.PublicKey{public}
	}
	link := func(v site.Version) (*release.Release, error) {
		if _, err := build.Build(ctx, &twin, build.Options{Dir: dir, Types: []string{r.Type}, Version: &v}); err != nil {
			return nil, err
		}
		images, err := release.ReadImages(dir, r.Type)
		if err != nil {
			return nil, err
		}
		return release.Sign(images, private)
	}
	t := &Twin{}
	if t.Release, err = link(site.Version{Name: r.Version, Sequence: r.Sequence}); err != nil {
		return nil, err
	}
	if twin.Config.Update.URL == "" {
		return t, nil
	}
	t.Before, err = link(site.Version{Name: "before", Sequence: max(r.Sequence, 1) - 1})
	return t, err
}
