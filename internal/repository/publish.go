package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"esper/internal/filelock"
	"esper/internal/image"
	"esper/internal/release"
)

// The reasons why a release is not published. Errors wrap one of them.
var (
	ErrConflict = errors.New("this version is already published with other content")
	ErrNotNewer = errors.New("the sequence is not greater than that of the published release")
	ErrJump     = errors.New("the sequence is so much greater than that of the published release that no device takes it")
	ErrLink     = errors.New("another link than that of the published release")
	ErrLocked   = errors.New("another publisher is at work in this repository")
)

// Refusals are the reasons for which a publication is refused, as the API hands them on.
var Refusals = []error{ErrConflict, ErrNotNewer, ErrJump, ErrLink, ErrLocked}

// Allow names what a release may be that is refused otherwise.
type Allow struct {
	NotNewer  bool // its sequence is not one that devices take next
	OtherLink bool // it is linked for the emulator and the published one for the chip, or the reverse
}

// temporary is the beginning of the names of what is being written.
const temporary = ".new-"

// Publish makes a release the current one of its device type, whole or not at all.
// The release must have been verified.
//
// A version that is there with other content is refused ([ErrConflict]), and so are a sequence
// that is not greater than the current one's ([ErrNotNewer]) and another link ([ErrLink]), since
// no device would install it; these are published if that is allowed. A development build,
// sequence 0, is always newer.
//
// With the release come its deltas, from the releases of the type that are stored
// (docs/SPEC.md section 6). One that cannot be made is logged ([Repository.SetLog]) and left out. To
// publish the current release again makes those that are missing or damaged, and changes nothing else.
func (r *Repository) Publish(rel *release.Release, allow Allow) error {
	if err := r.publish(rel, allow); err != nil {
		return fmt.Errorf("publish %s %s: %w", rel.Type, rel.Version, err)
	}
	return nil
}

// Check returns the error that [Repository.Publish] would refuse the release with as things
// stand, and changes nothing.
func (r *Repository) Check(rel *release.Release, allow Allow) error {
	if _, _, err := r.check(rel, allow); err != nil {
		return fmt.Errorf("publish %s %s: %w", rel.Type, rel.Version, err)
	}
	return nil
}

// check says whether the release is stored, and whether it is the current one, if it may be
// published.
func (r *Repository) check(rel *release.Release, allow Allow) (stored, current bool, err error) {
	if err := image.CheckDeviceType(rel.Type); err != nil {
		return false, false, err
	}
	if err := checkVersion(rel.Version); err != nil {
		return false, false, err
	}
	if stored, err = r.stored(rel); err != nil {
		return false, false, err
	}
	old, err := r.Current(rel.Type)
	found, err := exists(err)
	switch {
	case err != nil:
		return stored, false, err
	case found && stored && old.Version == rel.Version:
		return true, true, nil
	case found && rel.Sequence != 0 && rel.Sequence <= old.Sequence && !allow.NotNewer:
		return stored, false, fmt.Errorf("%w: %d, published is %s with %d", ErrNotNewer, rel.Sequence, old.Version, old.Sequence)
	case found && old.Sequence != 0 && rel.Sequence > old.Sequence && rel.Sequence-old.Sequence > maxJump && !allow.NotNewer:
		return stored, false, fmt.Errorf("%w: %d, published is %s with %d", ErrJump, rel.Sequence, old.Version, old.Sequence)
	}
	if found && !allow.OtherLink {
		err = checkLink(rel, old)
	}
	return stored, false, err
}

// checkLink returns an [ErrLink] if a release could not run on the devices that run the old one.
func checkLink(rel, old *release.Release) error {
	is, was := rel.Link(), old.Link()
	if is == was || is == image.LinkUnmarked || was == image.LinkUnmarked { // one cannot be read
		return nil
	}
	return fmt.Errorf("%w: it is linked for the %s, published is %s for the %s", ErrLink, is, old.Version, was)
}

// maxJump is how much greater a sequence may be than that of a device (docs/SPEC.md section 5).
const maxJump = 1_000_000

func (r *Repository) publish(rel *release.Release, allow Allow) error {
	// The deltas are made before the lock is taken, so that other publishers seldom find it held. Those
	// from what is published meanwhile are made after it.
	if _, _, err := r.check(rel, allow); err != nil {
		return err
	}
	deltas := r.makeDeltas(rel, nil)
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	stored, current, err := r.check(rel, allow)
	if err != nil {
		return err
	}
	deltas = r.makeDeltas(rel, deltas)
	if stored {
		err = r.addDeltas(rel, deltas)
	} else {
		err = r.store(rel.Type, rel.Version, func(folder string) error {
			if err := rel.Write(folder); err != nil {
				return err
			}
			if err := r.step("write the deltas"); err != nil {
				return err
			}
			return writeDeltas(folder, deltas)
		})
	}
	if err != nil {
		return err
	}
	if err := r.linkDeltas(rel); err != nil {
		return err
	}
	if !current {
		if err := r.makeCurrent(rel.Type, rel.Version); err != nil {
			return err
		}
	}
	// A crash may have left an earlier publication without.
	if err := errors.Join(r.link(rel.Type, fileNames(rel.Type)), r.unlinkDeltas(rel.Type)); err != nil || current {
		return err
	}
	return r.prune(rel.Type, rel.Version)
}

// lock keeps other publishers out until unlock is called or the process ends.
func (r *Repository) lock() (unlock func(), err error) {
	f, err := os.Open(r.dir)
	if err != nil {
		return nil, err
	}
	free, err := filelock.Take(f)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = free() }, nil
}

// stored says whether the very same release is there already.
func (r *Repository) stored(rel *release.Release) (bool, error) {
	folder, err := r.folder(rel.Type, rel.Version)
	if found, err := exists(err); !found {
		return false, err
	}
	old, err := release.Read(folder, rel.Type)
	if err != nil {
		return false, fmt.Errorf("read the release published before: %w", err)
	}
	was, is := old.VersionFile, rel.VersionFile
	was.Toolchain, is.Toolchain = "", "" // it says how the same images came to be
	if !bytes.Equal(was.Marshal(), is.Marshal()) ||
		!bytes.Equal(old.Images[0], rel.Images[0]) || !bytes.Equal(old.Images[1], rel.Images[1]) {
		return false, ErrConflict
	}
	return true, nil
}

// store writes the folder of a version, which appears complete. The name is that of the device type, or
// of its settings; write writes the files.
func (r *Repository) store(name, version string, write func(folder string) error) error {
	parent := filepath.Join(r.dir, releasesDir, name)
	if err := r.step("make the folder of the type"); err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := removeTemporary(parent); err != nil {
		return err
	}
	folder := filepath.Join(parent, temporary+version)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := r.step("write the release"); err != nil {
		return err
	}
	if err := write(folder); err != nil {
		return err
	}
	if err := errors.Join(r.date(name, folder), syncDir(folder)); err != nil {
		return err
	}
	if err := r.step("store the release"); err != nil {
		return err
	}
	if err := os.Rename(folder, filepath.Join(parent, version)); err != nil {
		return err
	}
	return errors.Join(syncDir(parent), syncDir(filepath.Dir(parent)))
}

// date gives the files in the folder of a new release a time that no other release of the type has.
func (r *Repository) date(name, folder string) error {
	at, err := r.freeTime(name, folder)
	if err != nil {
		return err
	}
	files, err := os.ReadDir(folder)
	for _, f := range files {
		err = errors.Join(err, os.Chtimes(filepath.Join(folder, f.Name()), at, at))
	}
	return err
}

// freeTime returns a time that no file of a release of the type has, to the second, apart from those
// in a folder that is being written: a static web server makes entity tags of size and time, and a
// device that resumes a download relies on them.
func (r *Repository) freeTime(name, writing string) (time.Time, error) {
	at := time.Now()
	files, err := filepath.Glob(filepath.Join(r.dir, releasesDir, name, "*", "*"))
	if err != nil {
		return at, err
	}
	for _, other := range files {
		info, err := os.Stat(other)
		if err != nil {
			return at, err
		}
		if next := info.ModTime().Add(time.Second); filepath.Dir(other) != writing && at.Before(next) {
			at = next
		}
	}
	return at, nil
}

// makeCurrent lets the link of a name lead to a version. Its time becomes that of
// the publication, which prune goes by.
func (r *Repository) makeCurrent(name, version string) error {
	now := time.Now()
	if err := os.Chtimes(filepath.Join(r.dir, releasesDir, name, version), now, now); err != nil {
		return err
	}
	target := filepath.Join("..", releasesDir, name, version)
	return r.symlink(target, filepath.Join(currentDir, name))
}

// link makes the names that devices ask for, in order. Once there, they never change.
func (r *Repository) link(name string, files []string) error {
	for _, file := range files {
		if err := r.linkFile(name, file); err != nil {
			return err
		}
	}
	return nil
}

// linkFile makes the name by which devices ask for a file of the current release, unless it is there.
func (r *Repository) linkFile(name, file string) error {
	target := filepath.Join(currentDir, name, file)
	if old, err := os.Readlink(filepath.Join(r.dir, file)); err == nil && old == target {
		return nil
	}
	return r.symlink(target, file)
}

// symlink makes or changes a link in one step.
func (r *Repository) symlink(target, name string) error {
	path := filepath.Join(r.dir, name)
	temp := filepath.Join(filepath.Dir(path), temporary+filepath.Base(path))
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	if err := r.step("link " + name); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// prune removes the releases of a name that were published longest ago.
func (r *Repository) prune(name, current string) error {
	parent := filepath.Join(r.dir, releasesDir, name)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	keeps, err := r.keeps(name)
	if err != nil {
		return err
	}
	published := map[string]time.Time{}
	var old []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.Name() != current && !slices.Contains(keeps, e.Name()) && !strings.HasPrefix(e.Name(), temporary) {
			old = append(old, e.Name())
			published[e.Name()] = info.ModTime()
		}
	}
	sort.Slice(old, func(i, j int) bool { return published[old[i]].After(published[old[j]]) })
	for i := kept - 1; i < len(old); i++ {
		// Renamed first, so that it goes at once: half a release is never found.
		gone := filepath.Join(parent, temporary+old[i])
		if err := r.step("remove " + old[i]); err != nil {
			return err
		}
		if err := errors.Join(os.Rename(filepath.Join(parent, old[i]), gone), os.RemoveAll(gone)); err != nil {
			return err
		}
	}
	return nil
}

// fileNames returns the files of a release, the version file last.
func fileNames(deviceType string) []string {
	return []string{
		release.ImageName(deviceType, 0),
		release.ImageName(deviceType, 1),
		release.VersionFileName(deviceType),
	}
}

// syncDir makes the names in a folder last through a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
