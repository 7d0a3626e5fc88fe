// Package build makes firmware: it compiles and links every device type of a site
// for both slots, and packs the images that are flashed and downloaded.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"esper/internal/image"
	"esper/internal/site"
)

// The names of the bootloader's image and program in the build folder.
const (
	BootloaderFile = "bootloader.bin"
	bootloaderELF  = "bootloader.elf"
)

// Options say how to build. The zero value builds everything into the site's build folder.
type Options struct {
	Dir     string        // where the images go; empty: the site's build folder
	Types   []string      // device types to build; none: all
	Version *site.Version // nil: the site's own, from git
	Jobs    int           // compilers at a time; 0: as many as there are cores
	Log     io.Writer     // what is being done, and what the compiler says; nil: nobody hears it
	Editors bool          // write CompileCommandsFile into the site's folder
}

// Result is what was built.
type Result struct {
	Types         []TypeResult // sorted by name
	Bootloader    string       // path of its image
	BootloaderELF string       // of the linked program
	Compiled      []string     // the sources that were compiled anew, in no order
	Linked        []string     // the programs that were linked anew, in no order
	Toolchain     string       // what the compiler calls itself
	Link          image.Link   // what the images are linked for
}

// TypeResult is the firmware of one device type.
type TypeResult struct {
	Name     string
	Version  string
	Sequence uint32
	Images   [image.Slots]ImageResult

	Bootloader string // path of the bootloader's image for the type's flash mode
}

// ImageResult is the image for one slot. Sizes are in bytes.
type ImageResult struct {
	Path string // of the image: what is flashed
	ELF  string // of the linked program: what a debugger reads
	Size int    // of the image file
	Code int    // what runs from flash
	IRAM int    // code that lies in RAM
	RAM  int    // data, constants included, of the 80 KB
}

// SlotUse is the part of the slot that the image fills, 0 to 1.
func (r ImageResult) SlotUse() float64 { return float64(r.Size) / image.SlotSize }

// ErrNoTypes says that there is nothing to build.
var ErrNoTypes = errors.New("the site has no device types")

// Build builds device types of a site. Files in the build folder are replaced one
// by one, each whole, after everything was built; those that are right already are
// not touched. What was compiled and linked before is not done again.
func Build(ctx context.Context, s *site.Site, o Options) (*Result, error) {
	types, err := choose(s, o.Types)
	if err != nil {
		return nil, err
	}
	version := o.Version
	if version == nil {
		v, err := s.Version()
		if err != nil {
			return nil, err
		}
		version = &v
	}
	if o.Dir == "" {
		o.Dir = s.BuildPath()
	}
	b, err := newBuilder(ctx, s, o)
	if err != nil {
		return nil, err
	}
	b.note("build for %s", b.target())
	for _, warning := range s.Warnings() {
		b.note("warning: %s", warning)
	}
	if version.Change != "" {
		b.note("a development build: %q is not as in the commit", version.Change)
	}
	if o.Editors {
		if err := b.writeCompileCommands(s); err != nil { // a site that cannot be written is no reason not to build
			b.note("warning: %v: editors will not find the headers", err)
		}
	}
	jobs := make([]job, len(types))
	for i, t := range types {
		jobs[i] = job{t, *version}
	}
	compiled, err := b.compileJobs(s.Config, jobs)
	if err != nil {
		return nil, err
	}

	var files outputs
	result := &Result{
		Bootloader:    filepath.Join(o.Dir, BootloaderFile),
		BootloaderELF: filepath.Join(o.Dir, bootloaderELF),
		Toolchain:     b.toolchain.name,
		Link:          b.platform(),
	}
	result.Types = make([]TypeResult, len(types))
	for i, t := range types {
		result.Types[i] = TypeResult{Name: t.Name, Version: version.Name, Sequence: version.Sequence}
	}
	links, linking := errgroup.WithContext(ctx)
	links.SetLimit(b.pairs())
	links.Go(func() error {
		linked, err := b.linkBootloader(linking, compiled.bootloader, result.BootloaderELF)
		if err != nil {
			return err
		}
		linked.Path, linked.ELF = result.Bootloader, result.BootloaderELF
		files.add(linked)
		for i, t := range types {
			result.Types[i].Bootloader = files.addBootloader(o.Dir, linked.image, t.FlashMode)
		}
		return nil
	})
	for i, j := range jobs {
		r := &result.Types[i]
		links.Go(func() error {
			var rom, elf [image.Slots]string
			for slot := range elf {
				rom[slot], elf[slot] = slotFiles(o.Dir, j.Name, slot)
			}
			made, err := b.linkSlots(linking, j, compiled.devices[i], compiled.framework(j), elf)
			if err != nil {
				return err
			}
			for slot, linked := range made {
				linked.Path, linked.ELF = rom[slot], elf[slot]
				files.add(linked)
				r.Images[slot] = linked.ImageResult
			}
			return nil
		})
	}
	if err := links.Wait(); err != nil {
		return nil, err
	}
	result.Compiled, result.Linked = b.compiled, b.linked
	if err := files.write(); err != nil {
		return nil, err
	}
	return result, prune(b.cache)
}

// job is a device type, to be built as some version.
type job struct {
	site.DeviceType
	version site.Version
}

// compiled are the objects of a build.
type compiled struct {
	bootloader objects
	frameworks map[site.LogLevel]*objects // by what they print
	devices    []objects                  // of each job
}

// framework returns the objects of the framework for a job.
func (c *compiled) framework(j job) objects { return *c.frameworks[j.Log.Level] }

// compileJobs runs all compilers: each source is compiled once, whatever it is
// linked into, or once for each level up to which device types print.
func (b *builder) compileJobs(c site.Config, jobs []job) (*compiled, error) {
	made := &compiled{frameworks: map[site.LogLevel]*objects{}, devices: make([]objects, len(jobs))}
	b.group.Go(b.bootloaderObjects(&made.bootloader))
	for i, j := range jobs {
		if made.frameworks[j.Log.Level] == nil {
			made.frameworks[j.Log.Level] = new(objects)
			b.group.Go(b.frameworkObjects(made.frameworks[j.Log.Level], j.Log.Level))
		}
		b.group.Go(b.deviceObjects(&made.devices[i], c, j))
	}
	return made, b.group.Wait()
}

// choose returns the device types of those names, or all.
func choose(s *site.Site, names []string) ([]site.DeviceType, error) {
	if len(s.Types) == 0 {
		return nil, ErrNoTypes
	}
	if len(names) == 0 {
		var wrong []error
		for _, t := range s.Types {
			wrong = append(wrong, t.Wrong)
		}
		return s.Types, errors.Join(wrong...)
	}
	wanted := map[string]bool{}
	for _, name := range names {
		if _, err := s.Type(name); err != nil {
			return nil, err
		}
		wanted[name] = true
	}
	var types []site.DeviceType
	for _, t := range s.Types {
		if wanted[t.Name] {
			types = append(types, t)
		}
	}
	return types, nil
}

// builder is what all steps of one build share.
type builder struct {
	toolchain *toolchain
	cache     string // folder that outlives the build
	sources   string // folder with the firmware's sources
	headers   string // hash of the headers that every source may include
	monocypher,
	sdk string // folders
	sdkIdentity string // changes with the SDK
	settings    []byte // that are built into the images; empty: none
	jobs        int
	group       *errgroup.Group
	slots       chan struct{}      // one for each compiler that may run
	flight      singleflight.Group // compilations, by the object's path
	digests     sync.Map           // of the folders that sources include from, each read once
	ctx         context.Context

	silent bool     // says nothing of what only warns: what is built next will
	said   sync.Map // what tools have said

	mu       sync.Mutex
	log      io.Writer
	compiled []string
	linked   []string
}

// newBuilder finds or fetches what a build needs.
func newBuilder(ctx context.Context, s *site.Site, o Options) (*builder, error) {
	b := &builder{jobs: o.Jobs, log: o.Log}
	if s.Config.Secrets.Compiled() {
		entries, err := s.Settings()
		if err != nil {
			return nil, err
		}
		if b.settings, err = entries.Marshal(); err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
	}
	if b.jobs < 1 {
		b.jobs = runtime.NumCPU()
	}
	if b.log == nil {
		b.log = io.Discard
	}
	b.slots = make(chan struct{}, b.jobs)
	var err error
	if b.toolchain, err = findToolchain(ctx); err != nil {
		return nil, err
	}
	if b.sdk = s.Config.SDK; b.sdk != "" {
		if b.sdkIdentity, err = checkSDK(b.sdk); err != nil {
			return nil, err
		}
	}
	if b.cache, err = cacheDir(); err != nil {
		return nil, err
	}
	if b.sources, err = unpackSources(b.cache); err != nil {
		return nil, err
	}
	if b.monocypher, err = b.findMonocypher(ctx); err != nil {
		return nil, err
	}
	if b.headers, err = b.hashHeaders(b.sources, b.monocypher); err != nil {
		return nil, err
	}
	b.group, b.ctx = errgroup.WithContext(ctx)
	return b, nil
}

// pairs is how many device types are linked at a time, each for both slots.
func (b *builder) pairs() int { return (b.jobs + 1) / 2 }

// note says what is being done.
func (b *builder) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.log, format+"\n", args...)
}

// noteOnce writes what a tool said to the log, unless it is there already: the linker says of each
// slot the same.
func (b *builder) noteOnce(text string) {
	text = strings.TrimSuffix(text, "\n")
	if _, again := b.said.LoadOrStore(text, true); !again {
		b.note("%s", text)
	}
}

// outputs are the files that a build makes.
type outputs struct {
	mu    sync.Mutex
	files map[string][]byte // by path
}

// add adds the files of a program. Its ELF file may be there already.
func (o *outputs) add(l *linked) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.files == nil {
		o.files = map[string][]byte{}
	}
	o.files[l.Path] = l.image
	if l.elf != nil {
		o.files[l.ELF] = l.elf
	}
}

// addBootloader adds the bootloader for a flash mode: the mask ROM takes the mode from
// the header of the image at address 0. It returns the file's path.
func (o *outputs) addBootloader(dir string, content []byte, mode uint8) string {
	if mode == content[2] {
		return filepath.Join(dir, BootloaderFile)
	}
	content = slices.Clone(content)
	content[2] = mode
	path := filepath.Join(dir, "bootloader-"+image.FlashModeName(mode)+".bin")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[path] = content
	return path
}

// write writes the files that are not there as they should be.
func (o *outputs) write() error {
	for path, content := range o.files {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
			continue
		}
		// Images hold the site's passwords.
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := renameio.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
