// Package pipeline makes published releases of a site: it builds, signs, checks and publishes
// its device types, all or none. 'esper release' and the build server go this way alike.
package pipeline

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esper/internal/build"
	"esper/internal/preflight"
	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/site"
)

// Target is where releases are published: a repository, here or behind a server. An error that
// wraps [ErrUnreached] says that it could not be asked, and may be if it is asked again.
type Target interface {
	// Current is the release of a device type that devices find; none: an fs.ErrNotExist.
	Current(deviceType string) (*release.Release, error)
	// Check returns the error that Publish would refuse the release with.
	Check(r *release.Release, allow repository.Allow) error
	// Publish publishes a release with its deltas. If it is published, it makes what is missing of these.
	Publish(r *release.Release, allow repository.Allow) error
	// DeltaSizes sums up the deltas of a release that Publish has published.
	DeltaSizes(deviceType, version string) (repository.DeltaSizes, error)
}

// ErrUnreached says that a target could not be asked.
var ErrUnreached = errors.New("nobody answers")

// Job is what to release, and how.
type Job struct {
	Site    *site.Site
	Version site.Version
	Keys    []ed25519.PrivateKey // to sign with
	Types   []string             // device types; none: all of the site
	All     bool                 // release device types whose firmware did not change, too
	Allow   repository.Allow     // what is published though it would be refused
	Target  Target
	Untried bool      // publish without trying the releases in the emulator
	ROM     []byte    // the chip's mask ROM to try them with; nil: an emulated one
	Log     io.Writer // what is being done; nil: nobody hears it
}

// Outcome is what came of a device type.
type Outcome struct {
	Type      string `json:"type"`
	Version   string `json:"version"` // what is published now
	Sequence  uint32 `json:"sequence"`
	Before    string `json:"before"`              // version that was published before, or empty
	Unchanged bool   `json:"unchanged,omitempty"` // the firmware is the published one, and was left as it is

	Deltas *repository.DeltaSizes `json:"deltas,omitempty"` // that devices can get it by; nil: none
}

// RefusedError says that a release could be built, but must not be published.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// refused is the error of a target's check.
func refused(err error) error {
	if errors.Is(err, ErrUnreached) {
		return err
	}
	return &RefusedError{err}
}

// Run releases. An error before the first release is published, as any [RefusedError] is,
// leaves everything as it was; the outcomes tell what is published when publishing itself
// fails. To run a job again finishes what was begun.
func (j Job) Run(ctx context.Context) ([]Outcome, error) {
	if j.Log == nil {
		j.Log = io.Discard
	}
	o := build.Options{Types: j.Types, Version: &j.Version, Log: j.Log}
	outcomes, changed, err := j.changed(ctx, o)
	if err != nil || len(changed) == 0 {
		return outcomes, err
	}
	o.Types = changed
	releases, err := Sign(ctx, j.Site, j.Keys, o)
	if err != nil {
		return nil, err
	}
	if err := j.check(ctx, releases); err != nil {
		return nil, err
	}
	for _, r := range releases {
		fmt.Fprintf(j.Log, "publish %s %s\n", r.Type, r.Version)
	}
	done, err := Publish(j.Target, releases, j.Allow)
	for _, o := range done {
		if o.Deltas != nil {
			fmt.Fprintf(j.Log, "%s %s: %v\n", o.Type, o.Version, o.Deltas)
		}
	}
	outcomes = append(outcomes, done...)
	slices.SortFunc(outcomes, func(a, b Outcome) int { return strings.Compare(a.Type, b.Type) })
	return outcomes, err
}

// changed returns the device types to release, and the outcomes of the others. The published
// releases of those go into the build folder, which so holds what devices are to run.
func (j Job) changed(ctx context.Context, o build.Options) (left []Outcome, changed []string, err error) {
	asked := j.Types
	if len(asked) == 0 {
		for _, t := range j.Site.Types {
			asked = append(asked, t.Name)
		}
	}
	if j.All {
		return nil, asked, nil
	}
	published := map[string]*release.Release{}
	current := func(deviceType string) (*release.Release, error) {
		r, err := j.Target.Current(deviceType)
		if err != nil {
			return nil, err
		}
		if err := j.verify(r); err != nil {
			fmt.Fprintf(j.Log, "warning: the published release of %s, %s: %v; a new one takes its place\n", deviceType, r.Version, err)
			return nil, fs.ErrNotExist
		}
		published[deviceType] = r
		return r, nil
	}
	if changed, err = build.Changed(ctx, j.Site, o, current); err != nil {
		return nil, nil, err
	}
	for _, name := range asked {
		if slices.Contains(changed, name) {
			continue
		}
		r := published[name]
		dir := j.Site.BuildPath()
		if err := errors.Join(os.MkdirAll(dir, 0o777), r.Write(dir)); err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(j.Log, "%s is unchanged since %s\n", name, r.Version)
		left = append(left, Outcome{Type: r.Type, Version: r.Version, Sequence: r.Sequence, Before: r.Version, Unchanged: true})
	}
	return left, changed, nil
}

// verify checks a published release by the keys that the site's devices trust: a server could
// have made up that there is one, to keep a new one from being published.
func (j Job) verify(r *release.Release) error {
	keys := j.Site.Config.Update.Keys
	if len(keys) == 0 { // the devices take no updates
		return nil
	}
	return r.Verify(keys)
}

// check makes sure that all of the releases can be published before one is.
func (j Job) check(ctx context.Context, releases []*release.Release) error {
	for _, r := range releases {
		if err := j.Target.Check(r, j.Allow); err != nil {
			return refused(err)
		}
	}
	if j.Untried {
		fmt.Fprintln(j.Log, "warning: no preflight: nobody knows whether what is published now runs at all")
		return nil
	}
	err := preflight.Try(ctx, j.Site, j.Site.BuildPath(), j.Target, releases, j.ROM, j.Log)
	if len(preflight.Failures(err)) > 0 {
		return &RefusedError{err}
	}
	return err
}

// Sign builds device types of a site into its build folder and signs them there, all or none.
func Sign(ctx context.Context, s *site.Site, keys []ed25519.PrivateKey, o build.Options) ([]*release.Release, error) {
	result, err := build.Build(ctx, s, o)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(result.Bootloader)
	var releases []*release.Release
	for _, t := range result.Types {
		images, err := release.ReadImages(dir, t.Name)
		if err != nil {
			return nil, err
		}
		r, err := release.Sign(images, keys...)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", t.Name, err)
		}
		r.Toolchain = release.ToolchainText(result.Toolchain)
		releases = append(releases, r)
	}
	for _, r := range releases {
		if err := r.Write(dir); err != nil {
			return nil, err
		}
	}
	return releases, nil
}

// Publish publishes verified releases. All are checked before the first is published. It
// returns those that are published, also when it fails.
func Publish(to Target, releases []*release.Release, allow repository.Allow) ([]Outcome, error) {
	done := []Outcome{}
	before := make([]string, len(releases))
	for i, r := range releases {
		current, err := to.Current(r.Type)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return done, err
		}
		if err == nil {
			before[i] = current.Version
		}
		if err := to.Check(r, allow); err != nil {
			return done, refused(err)
		}
	}
	for i, r := range releases {
		if err := to.Publish(r, allow); err != nil {
			return done, err
		}
		o := Outcome{Type: r.Type, Version: r.Version, Sequence: r.Sequence, Before: before[i]}
		if deltas, err := to.DeltaSizes(r.Type, r.Version); err == nil && deltas.Releases > 0 { // else it is published all the same
			o.Deltas = &deltas
		}
		done = append(done, o)
	}
	return done, nil
}

// IsNotNewer says whether an error is that a release is not newer than the published one.
func IsNotNewer(err error) bool { return errors.Is(err, repository.ErrNotNewer) }
