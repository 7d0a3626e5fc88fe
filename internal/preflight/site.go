package preflight

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"esper/emulator/sdk"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

// Dir is the folder for the logs, in the build folder.
const Dir = "preflight"

// ForSite says what is to be tried of releases that were built from a site into its folder
// dir and signed: each that is not the published release already. Of a release that is linked for the
// chip, the emulator's link of the same sources is built for it.
func ForSite(ctx context.Context, s *site.Site, dir string, repo *repository.Repository, releases []*release.Release) (Options, error) {
	o := Options{Config: s.Config, LogDir: filepath.Join(dir, Dir)}
	var err error
	if o.Bootloader, err = os.ReadFile(filepath.Join(dir, build.BootloaderFile)); err != nil {
		return o, err
	}
	for _, r := range releases {
		subject := Subject{Release: r}
		current, err := repo.Current(r.Type)
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
