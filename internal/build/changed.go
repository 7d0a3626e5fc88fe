package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// Changed returns which of the device types have another firmware than what is
// published, in anything but version and sequence; in the order of the site's types.
//
// Builds are reproducible, so there is no guessing: the sources of now are built with
// the version and sequence of the published release, and must give its images byte by
// byte. So another compiler, or another WiFi password, is a change, and a commit that
// only changes a comment is none. Types without a release (published returns an
// [fs.ErrNotExist]) have changed, and those with a development build, sequence 0.
//
// Of the options, Types, Jobs and Log count. The build folder stays as it is.
func Changed(ctx context.Context, s *site.Site, o Options, published func(deviceType string) (*release.Release, error)) ([]string, error) {
	types, err := choose(s, o.Types)
	if err != nil {
		return nil, err
	}
	var jobs []job
	releases := map[string]*release.Release{}
	for _, t := range types {
		r, err := published(t.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the published release of %s: %w", t.Name, err)
		}
		if r.Sequence != 0 {
			releases[t.Name] = r
			jobs = append(jobs, job{t, site.Version{Name: r.Version, Sequence: r.Sequence}})
		}
	}
	same := map[string]bool{}
	if len(jobs) > 0 {
		b, err := newBuilder(ctx, s, o)
		if err != nil {
			return nil, err
		}
		b.silent = true
		built, err := b.images(ctx, s.Config, jobs)
		if err != nil {
			return nil, err
		}
		for i, j := range jobs {
			was := releases[j.Name].Images
			same[j.Name] = bytes.Equal(built[i][0], was[0]) && bytes.Equal(built[i][1], was[1])
		}
	}
	var changed []string
	for _, t := range types {
		if !same[t.Name] {
			changed = append(changed, t.Name)
		}
	}
	return changed, nil
}

// images builds the images of each job.
func (b *builder) images(ctx context.Context, c site.Config, jobs []job) ([][image.Slots][]byte, error) {
	compiled, err := b.compileJobs(c, jobs)
	if err != nil {
		return nil, err
	}
	images := make([][image.Slots][]byte, len(jobs))
	links, linking := errgroup.WithContext(ctx)
	links.SetLimit(b.pairs())
	for i, j := range jobs {
		links.Go(func() error {
			made, err := b.linkSlots(linking, j, compiled.devices[i], compiled.framework(j), [image.Slots]string{})
			if err == nil {
				images[i] = [image.Slots][]byte{made[0].image, made[1].image}
			}
			return err
		})
	}
	return images, links.Wait()
}
