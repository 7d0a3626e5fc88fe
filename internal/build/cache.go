package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"esper/firmware"
)

// CacheVariable is the environment variable that names the folder for what builds
// keep: objects, unpacked sources, downloads. All of it can be deleted at any time.
const CacheVariable = "ESPER_CACHE"

// cacheDir returns that folder, which it makes.
func cacheDir() (string, error) {
	dir := os.Getenv(CacheVariable)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("nowhere to keep objects: %w: set %s", err, CacheVariable)
		}
		dir = filepath.Join(user, "esper")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Objects hold the site's passwords.
	return dir, os.MkdirAll(dir, 0o700)
}

// unpackSources writes the firmware's sources into the cache, unless they are
// there, and returns their folder. Its name is their hash.
func unpackSources(cache string) (string, error) {
	hash := sha256.New()
	files := map[string][]byte{}
	err := fs.WalkDir(firmware.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := firmware.Files.ReadFile(path)
		files[path] = content
		fmt.Fprintf(hash, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		return "", err
	}
	name := "sources-" + hex.EncodeToString(hash.Sum(nil))[:32]
	return makeDir(cache, name, func(dir string) error {
		for path, content := range files {
			path = filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				return err
			}
			if err := writeLasting(path, content); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeLasting writes a new file, whose content is on the disk when it returns.
func writeLasting(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o666); err != nil {
		return err
	}
	return makeLast(path)
}

// makeLast puts a file's content on the disk. What gets a name in the cache before would be
// empty under that name after a power cut, and be taken for what it was.
func makeLast(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// makeDir returns the folder of that name in the cache. If it is not there, fill
// fills a new one, which then appears whole; who else makes it meanwhile is no harm.
func makeDir(cache, name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(cache, name)
	if found(dir) {
		return dir, nil
	}
	temp, err := os.MkdirTemp(cache, "new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := fill(temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
}

// privateDir makes a folder in the cache that only its owner can look into: what is
// compiled and linked holds the site's passwords, and the cache itself may be a folder
// that others see.
func privateDir(cache, name string) error {
	dir := filepath.Join(cache, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// inclusion is that of a file that is a source by its name.
var inclusion = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(?:include|import)[ \t]*[<"][^>"\n]*\.(?:c|cpp)[>"]`)

// hashHeaders returns a hash of all that sources include from folders: of the headers there,
// and of the sources, too, if anything includes one.
func (b *builder) hashHeaders(dirs ...string) (string, error) {
	headers, sources, included := sha256.New(), sha256.New(), false
	for _, dir := range dirs {
		read, _ := b.digests.LoadOrStore(dir, sync.OnceValues(func() (digest, error) { return digestOf(dir) }))
		d, err := read.(func() (digest, error))()
		if err != nil {
			return "", err
		}
		headers.Write(d.headers)
		sources.Write(d.sources)
		included = included || d.included
	}
	if included {
		headers.Write(sources.Sum(nil))
	}
	return hex.EncodeToString(headers.Sum(nil)), nil
}

// digest is what a folder holds, as hashes.
type digest struct {
	headers, sources []byte
	included         bool // something in it includes a source
}

func digestOf(dir string) (d digest, err error) {
	headers, sources := sha256.New(), sha256.New()
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		hash := headers
		if ext := filepath.Ext(path); ext == ".cpp" || ext == ".c" {
			hash = sources
		}
		content, err := os.ReadFile(path)
		d.included = d.included || inclusion.Match(content)
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
		return err
	})
	d.headers, d.sources = headers.Sum(nil), sources.Sum(nil)
	return d, err
}

// What has not been used for keepUnused is removed from the cache, once in pruneEvery.
const (
	keepUnused = 30 * 24 * time.Hour
	pruneEvery = 24 * time.Hour
)

// found tells whether the cache has something, and notes that it is in use.
func found(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > pruneEvery {
		return os.Chtimes(path, now, now) == nil
	}
	return true
}

// prune removes from the cache what has not been used for long: objects and programs
// of old versions, sources of older programs, what an interrupted build left.
func prune(cache string) error {
	mark := filepath.Join(cache, "pruned")
	now := time.Now()
	if info, err := os.Stat(mark); err == nil && now.Sub(info.ModTime()) < pruneEvery {
		return nil
	}
	for _, pattern := range []string{"objects/*", "linked/*", "sources-*", "constants-*", "new-*", "link-*", "compile-*"} {
		paths, err := filepath.Glob(filepath.Join(cache, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > keepUnused {
				os.RemoveAll(path)
			}
		}
	}
	return renameio.WriteFile(mark, nil, 0o666)
}
