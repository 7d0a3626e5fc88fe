package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// linkJob is a program to link.
type linkJob struct {
	label   string // what messages call it
	objects objects
	args    []string // the linker's arguments, the objects among them
	elf     string   // where the ELF file will be; empty: nobody wants it
	pack    func(*program) (*linked, error)
	header  string // what of the image is not in the program
}

// The files of a program in the cache. The ELF file is large and wanted in one place
// only, so that just its hash is kept.
const (
	imageFile = "image"
	aboutFile = "about.json"
)

// about is what the cache knows of a program.
type about struct {
	ImageResult
	ImageSHA256, ELFSHA256 string
}

// linkOnce links a program and packs its image, unless the cache has it.
func (b *builder) linkOnce(ctx context.Context, j linkJob) (*linked, error) {
	name := filepath.Join("linked", b.linkHash(j))
	if l := b.linkedBefore(name, j.elf); l != nil {
		return l, nil
	}
	b.note("link %s", j.label)
	work, err := os.MkdirTemp(b.cache, "link-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	program, err := b.link(ctx, filepath.Join(work, "program.elf"), j)
	if err != nil {
		return nil, err
	}
	l, err := j.pack(program)
	if err != nil {
		return nil, err
	}
	l.elf = program.content
	b.mu.Lock()
	b.linked = append(b.linked, j.label)
	b.mu.Unlock()
	if err := privateDir(b.cache, "linked"); err != nil {
		return nil, err
	}
	_, err = makeDir(b.cache, name, func(dir string) error {
		text, err := json.Marshal(about{l.ImageResult, hash(l.image), hash(l.elf)})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, imageFile), l.image, 0o666); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, aboutFile), text, 0o666)
	})
	return l, err
}

// linkedBefore returns a program from the cache, or nil if it, or its ELF file, must
// be made anew.
func (b *builder) linkedBefore(name, elf string) *linked {
	dir := filepath.Join(b.cache, name)
	if !found(dir) {
		return nil
	}
	var known about
	l := &linked{}
	text, err := os.ReadFile(filepath.Join(dir, aboutFile))
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err == nil {
		l.ImageResult = known.ImageResult
		l.image, err = os.ReadFile(filepath.Join(dir, imageFile))
	}
	if err != nil || hash(l.image) != known.ImageSHA256 { // a power cut, perhaps
		os.RemoveAll(dir)
		return nil
	}
	if elf != "" {
		content, err := os.ReadFile(elf)
		if err != nil || hash(content) != known.ELFSHA256 {
			return nil
		}
	}
	return l
}

// linkHash returns a hash of all that a linked program depends on. The names of
// objects and of the sources' folder are hashes of what is in them; other folders
// do not count.
func (b *builder) linkHash(j linkJob) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q %q %q", b.toolchain.identity, b.sdkIdentity, filepath.Base(b.sources), j.header)
	for _, arg := range slices.Concat(linkFlags, j.args) {
		fmt.Fprintf(hash, " %q", filepath.Base(arg))
	}
	return hex.EncodeToString(hash.Sum(nil))
}
