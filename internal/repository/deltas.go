package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
)

// maxSources is how many releases there are deltas from at most, the newest first.
const maxSources = 32

// SetLog has f called with each delta that cannot be made, and why. The release is published without
// it. Call SetLog before the repository is used.
func (r *Repository) SetLog(f func(error)) { r.log = f }

// DeltaSizes sums up the deltas of a release.
type DeltaSizes struct {
	Releases int   `json:"releases" doc:"how many releases there are deltas from"`
	Smallest int64 `json:"smallest" doc:"size of the smallest in bytes"`
	Largest  int64 `json:"largest" doc:"size of the largest in bytes"`
}

// String returns the sizes for a person.
func (d DeltaSizes) String() string {
	releases := "1 release"
	if d.Releases != 1 {
		releases = fmt.Sprintf("%d releases", d.Releases)
	}
	smallest, largest := kilobytes(d.Smallest), kilobytes(d.Largest)
	if smallest == largest {
		return fmt.Sprintf("deltas from %s, %s", releases, largest)
	}
	return fmt.Sprintf("deltas from %s, %s to %s", releases, smallest, largest)
}

func kilobytes(n int64) string { return fmt.Sprintf("%.1f KB", float64(n)/1024) }

// DeltaSizes sums up the deltas of a release that is kept, which are none if it is not.
func (r *Repository) DeltaSizes(deviceType, version string) (sum DeltaSizes, err error) {
	folder, err := r.folder(deviceType, version)
	if found, err := exists(err); !found {
		return sum, err
	}
	names, err := deltasIn(folder, deviceType)
	from := map[string]bool{}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(folder, name.String()))
		if err != nil {
			return sum, err
		}
		if n := info.Size(); len(from) == 0 {
			sum.Smallest, sum.Largest = n, n
		} else {
			sum.Smallest, sum.Largest = min(sum.Smallest, n), max(sum.Largest, n)
		}
		from[name.from] = true
	}
	sum.Releases = len(from)
	return sum, err
}

// deltaName is the name of a delta's file. The delta makes the image of a release for a slot, on a
// device that runs another release in the other slot.
type deltaName struct {
	deviceType string
	from       string // the version that the device runs
	slot       int    // of the image that it makes
}

func (n deltaName) String() string {
	return release.DeltaName(n.deviceType, n.from, n.slot)
}

// parseDeltaName reads the name of a delta's file. A device type has no dot, but a version may.
func parseDeltaName(name string) (n deltaName, ok bool) {
	deviceType, rest, _ := strings.Cut(name, ".")
	dot := max(strings.LastIndexByte(rest, '.'), 0)
	n.deviceType, n.from = deviceType, rest[:dot]
	switch rest[dot:] {
	case ".delta0":
	case ".delta1":
		n.slot = 1
	default:
		return n, false
	}
	return n, image.CheckDeviceType(n.deviceType) == nil && checkVersion(n.from) == nil
}

// deltasIn returns the deltas of a device type that are in a folder, sorted.
func deltasIn(folder, deviceType string) ([]deltaName, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []deltaName
	for _, e := range entries {
		if n, ok := parseDeltaName(e.Name()); ok && n.deviceType == deviceType {
			names = append(names, n)
		}
	}
	return names, nil
}

// made is the result of making a delta.
type made struct {
	name    deltaName
	content []byte // nil: there is none
	stored  bool   // the content is stored already
	wrong   bool   // what is stored under the name makes another image
	err     error  // why there is none, though there should be
}

// makeDeltas makes the deltas of a release from the stored releases of its type, except for those that
// are known. It returns the known ones and the new ones. One that fails is logged and has no content.
func (r *Repository) makeDeltas(rel *release.Release, known []made) []made {
	all := slices.Clone(known)
	for _, from := range r.sources(rel) {
		for slot := range rel.Images {
			name := deltaName{rel.Type, from, slot}
			if !slices.ContainsFunc(known, func(m made) bool { return m.name == name }) {
				all = append(all, made{name: name})
			}
		}
	}
	fresh := all[len(known):]
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range fresh {
		workers.Go(func() error {
			fresh[i].err = r.makeDelta(rel, &fresh[i])
			return nil
		})
	}
	_ = workers.Wait() // the errors are in fresh
	for _, m := range fresh {
		if m.err != nil {
			r.log(fmt.Errorf("%s of %s is left out, so devices fetch the whole image: %w", m.name, rel.Version, m.err))
		}
	}
	return all
}

// sources returns the stored releases that devices may get a release from, the newest first.
func (r *Repository) sources(rel *release.Release) []string {
	entries, err := r.listName(rel.Type, readVersion) // what cannot be read is no source
	if found, err := exists(err); err == nil && !found {
		return nil // it is the first
	}
	if err != nil {
		r.log(fmt.Errorf("there are no deltas to %s %s from some releases: %w", rel.Type, rel.Version, err))
	}
	var versions []string
	for _, e := range entries {
		if e.Version != rel.Version && takes(e.Sequence, rel.Sequence) && len(versions) < maxSources {
			versions = append(versions, e.Version)
		}
	}
	return versions
}

// takes reports whether a device that runs a sequence installs another (docs/SPEC.md section 5).
func takes(running, offered uint32) bool {
	return running == 0 || offered > running && offered-running <= maxJump
}

// errWrongDelta is the error of a delta that makes another image.
var errWrongDelta = errors.New("it makes another image than the published one")

// makeDelta makes a delta of a release, if it is worthwhile and makes the image. If the right one is
// stored already, it takes that one.
func (r *Repository) makeDelta(rel *release.Release, m *made) (err error) {
	defer func() { // a mistake in the encoder must not keep a release from being published
		if p := recover(); p != nil {
			m.content, err = nil, fmt.Errorf("the encoder panicked: %v", p)
		}
	}()
	from, err := r.Release(rel.Type, m.name.from)
	if err != nil {
		return err
	}
	source, err := intact(from, 1-m.name.slot)
	if err != nil {
		return err
	}
	target := rel.Images[m.name.slot]
	if stored, err := os.ReadFile(filepath.Join(r.dir, releasesDir, rel.Type, rel.Version, m.name.String())); err == nil {
		if makes(source, stored, target) == nil {
			m.content, m.stored = stored, true
			return nil
		}
		m.wrong = true
	}
	if from.Link() != rel.Link() || !delta.Usable(source) {
		return nil
	}
	content, err := r.make(source, target)
	if err == nil {
		err = makes(source, content, target)
	}
	if err == nil && delta.Worthwhile(content, target) {
		m.content = content
	}
	return err
}

// intact returns the image of a release for a slot, if it is intact. Another would not be what a
// device runs.
func intact(rel *release.Release, slot int) ([]byte, error) {
	if _, err := image.Parse(rel.Images[slot]); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", release.ImageName(rel.Type, slot), rel.Version, err)
	}
	return rel.Images[slot], nil
}

// makes returns an error if a delta does not make the target out of the source.
func makes(source, content, target []byte) error {
	result, err := delta.Apply(source, content)
	if err == nil && !bytes.Equal(result, target) {
		err = errWrongDelta
	}
	return err
}

// addDeltas writes those deltas of a stored release that are missing, and replaces or removes those
// that are wrong. Each appears as a whole or not at all.
func (r *Repository) addDeltas(rel *release.Release, all []made) error {
	folder := filepath.Join(r.dir, releasesDir, rel.Type, rel.Version)
	if err := removeTemporary(folder); err != nil {
		return err
	}
	at, err := r.freeTime(rel.Type, "")
	if err != nil {
		return err
	}
	for _, m := range all {
		path := filepath.Join(folder, m.name.String())
		switch {
		case m.stored:
		case m.content != nil:
			temp := filepath.Join(folder, temporary+m.name.String())
			if err := errors.Join(writeSynced(temp, m.content), os.Chtimes(temp, at, at)); err != nil {
				return err
			}
			if err := r.step("store " + m.name.String()); err != nil {
				return err
			}
			if err := os.Rename(temp, path); err != nil {
				return err
			}
		case m.wrong:
			if err := r.step("remove " + m.name.String()); err != nil {
				return err
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return syncDir(folder)
}

// writeDeltas writes the deltas of a release into its new folder.
func writeDeltas(folder string, all []made) error {
	for _, m := range all {
		if m.content == nil {
			continue
		}
		if err := writeSynced(filepath.Join(folder, m.name.String()), m.content); err != nil {
			return err
		}
	}
	return nil
}

// linkDeltas makes the names by which devices ask for the deltas of a release. Before the release is
// the current one, new names lead nowhere, so its deltas appear with it.
func (r *Repository) linkDeltas(rel *release.Release) error {
	names, err := deltasIn(filepath.Join(r.dir, releasesDir, rel.Type, rel.Version), rel.Type)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.linkFile(rel.Type, name.String()); err != nil {
			return err
		}
	}
	return nil
}

// unlinkDeltas removes the names of deltas that the current release does not have.
func (r *Repository) unlinkDeltas(deviceType string) error {
	names, err := deltasIn(r.dir, deviceType)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(r.dir, name.String())
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := r.step("remove the link " + name.String()); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// writeSynced writes a file, so that a power cut after it is renamed leaves all of it.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// removeTemporary removes what an interrupted publisher left in a folder. The caller holds the lock.
func removeTemporary(folder string) error {
	leftovers, err := filepath.Glob(filepath.Join(folder, temporary+"*"))
	for _, path := range leftovers {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
