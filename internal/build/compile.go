package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"esper/internal/image"
	"esper/internal/site"
)

// objects are paths of object files, in the order in which they are linked.
type objects []string

// The compilers' flags. Names of folders are kept out of the objects, so that the
// same sources give the same bytes wherever they are.
var (
	commonFlags = []string{
		"-Os", "-g", "-mlongcalls", "-ffunction-sections", "-fdata-sections",
		"-fno-exceptions", "-fno-asynchronous-unwind-tables", "-frandom-seed=esper",
	}
	cppFlags = []string{
		"-std=c++17", "-fno-rtti", "-fno-threadsafe-statics", "-fno-use-cxa-atexit",
	}
	cFlags     = []string{"-std=gnu11"}
	strict     = []string{"-Wall", "-Wextra", "-Werror"}
	permissive = []string{"-Wall", "-Wextra"}
	// What the compiler says of a source with passwords must not quote it.
	discreet = []string{"-fno-diagnostics-show-caret"}

	// The linker would merge a device type's texts with those of the framework that end alike, so
	// that the framework's data moved when a text changes.
	apart = []string{"-fno-merge-constants"}

	// The sources where speed counts for more than size. Sha256.cpp is not among them:
	// -O2 rearranges its rounds until they do not fit the registers any more.
	fast = []string{"framework/esper/Ed25519.cpp", "framework/esper/Sha512.cpp"}

	// The framework's arithmetic. It hardly ever changes, so it is linked first.
	arithmetic = []string{
		"framework/esper/Arithmetic.cpp", "framework/esper/Ed25519.cpp",
		"framework/esper/Sha256.cpp", "framework/esper/Sha512.cpp",
	}
)

// optional are sources and folders of the framework that only some device types call. They are linked
// with the device type: one that begins to call them moves nothing of the framework.
var optional = []string{
	"framework/esper/Blocked.cpp", "framework/esper/Interrupt.cpp", "framework/esper/Journal.cpp",
	"framework/esper/JsonValue.cpp", "framework/esper/PersistedValues.cpp", "framework/esper/Serial.cpp",
	"framework/esper/Sleep.cpp", "framework/esper/Time.cpp", "framework/esper/Timer.cpp",
	"framework/esper/features/",
}

func isOptional(u unit) bool {
	return slices.ContainsFunc(optional, func(path string) bool { return strings.HasPrefix(u.name, path) })
}

// unit is one source to compile.
type unit struct {
	dir     string // where the source lies
	name    string // its path below dir
	content []byte // of the source
	label   string // what messages call it
	flags   []string
	include []folder // where its headers are looked for, before the framework's
	read    []string // folders of which it can include any file, beside the firmware's
	headers string   // hash of the headers in them
}

// folder is a folder of headers.
type folder struct {
	path string
	name string // stands for the path in objects
}

// bootloaderObjects compiles the bootloader.
func (b *builder) bootloaderObjects(out *objects) func() error {
	return func() error {
		units, err := b.firmwareUnits("bootloader")
		if err != nil {
			return err
		}
		sha, err := b.firmwareUnit("framework/esper/Sha256.cpp")
		if err != nil {
			return err
		}
		return b.compileAll(out, append(units, sha))
	}
}

// frameworkObjects compiles what the platform adds and the framework, of which Ed25519.cpp
// includes Monocypher. What changes rarely comes first: it is linked in this order. The framework
// prints up to a level.
func (b *builder) frameworkObjects(out *objects, level site.LogLevel) func() error {
	return func() error {
		var units []unit
		for _, path := range slices.Concat(b.platformSources(), arithmetic) {
			u, err := b.firmwareUnit(path)
			if err != nil {
				return err
			}
			units = append(units, u)
		}
		framework, err := b.firmwareUnits("framework")
		if err != nil {
			return err
		}
		for _, u := range framework {
			if !slices.Contains(arithmetic, u.name) {
				units = append(units, u)
			}
		}
		for i := range units {
			units[i].flags = slices.Concat(units[i].flags, logFlags(level))
		}
		return b.compileAll(out, units)
	}
}

// logFlags returns the flags for sources that print up to a level (framework/esper/Log.h).
func logFlags(level site.LogLevel) []string {
	if level == "" {
		return nil
	}
	return []string{fmt.Sprintf("-DESPER_LOG_LEVEL=%d", slices.Index(site.LogLevels, level))}
}

// deviceObjects compiles a device type's libraries, its own sources and its configuration, in the
// order in which they are linked.
func (b *builder) deviceObjects(out *objects, c site.Config, t job) func() error {
	return func() error {
		include, err := b.includes(t.DeviceType)
		if err != nil {
			return err
		}
		all := []string{filepath.Dir(t.Dir)}
		if len(include) > len(t.Libraries) { // generated headers come first
			all = append(all, include[0].path)
		}
		var libraries []unit
		for i, library := range t.Libraries {
			dir := filepath.Dir(library.Dir) // the same for each
			include := libraryIncludes(library)
			units, err := b.siteUnits(library.Dir, include[0].name, library.Sources, include, []string{dir})
			if err != nil {
				return err
			}
			libraries = append(libraries, units...)
			if i == 0 {
				all = append(all, dir)
			}
		}
		units, err := b.siteUnits(t.Dir, t.Name, t.Sources, include, all)
		if err != nil {
			return err
		}
		if len(t.Settings) > 0 {
			content, err := settingsSource(t.Settings)
			if err != nil {
				return err
			}
			units = append(units, unit{name: "settings.cpp", content: content,
				label: t.Name + "/settings.cpp", flags: slices.Concat(strict, apart)})
		}
		content := configuration(c, b.settings, t)
		units = append(units, unit{name: "configuration.cpp", content: content,
			label: t.Name + "/configuration.cpp", flags: slices.Concat(strict, discreet, apart)})
		units = append(libraries, units...)
		for i := range units {
			u := &units[i]
			u.flags = slices.Concat(u.flags, logFlags(t.Log.Level))
			if t.FlashMode == image.FlashQIO || t.FlashMode == image.FlashQOUT {
				u.flags = append(u.flags, "-DESPER_FLASH_QUAD") // framework/esper/Gpio.h: the flash chip takes two pins more
			}
		}
		return b.compileAll(out, units)
	}
}

// includes returns the folders where a device type's headers are looked for, before the framework's:
// that of the headers that the build writes for it, if there are any, and its libraries.
func (b *builder) includes(t site.DeviceType) ([]folder, error) {
	var include []folder
	if headers := headers(t); len(headers) > 0 {
		dir, err := b.headersDir(headers)
		if err != nil {
			return nil, err
		}
		include = append(include, folder{dir, "constants"})
	}
	for _, library := range t.Libraries {
		include = append(include, libraryIncludes(library)[0])
	}
	return include, nil
}

// libraryIncludes returns the same for a library: its own folder, and the one of all libraries.
func libraryIncludes(l site.Library) []folder {
	return []folder{{l.Dir, site.LibraryDir + "/" + l.Name}, {filepath.Dir(l.Dir), site.LibraryDir}}
}

// firmwareIncludes returns the folders where the firmware's headers are looked for.
func (b *builder) firmwareIncludes() []string {
	return []string{filepath.Join(b.sources, "framework"), filepath.Join(b.sources, "sdk"), b.monocypher}
}

// siteUnits returns sources that the site's author wrote; label is what messages call
// their folder. They can read the folders whose headers their hash covers.
func (b *builder) siteUnits(dir, label string, sources []string, include []folder, read []string) ([]unit, error) {
	headers, err := b.hashHeaders(read...)
	if err != nil {
		return nil, err
	}
	var units []unit
	for _, name := range sources {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		units = append(units, unit{dir: dir, name: name, content: content,
			label: label + "/" + name, flags: slices.Concat(permissive, apart), include: include, read: read, headers: headers})
	}
	return units, nil
}

// firmwareUnits returns the sources in one of the firmware's folders.
func (b *builder) firmwareUnits(dir string) ([]unit, error) {
	var paths []string
	err := filepath.WalkDir(filepath.Join(b.sources, dir), func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".cpp" {
			name, _ := filepath.Rel(b.sources, path)
			paths = append(paths, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var units []unit
	for _, path := range paths {
		u, err := b.firmwareUnit(path)
		if err != nil {
			return nil, err
		}
		units = append(units, u)
	}
	return units, nil
}

// firmwareUnit returns one of the firmware's sources.
func (b *builder) firmwareUnit(path string) (unit, error) {
	content, err := os.ReadFile(filepath.Join(b.sources, path))
	flags := strict
	if slices.Contains(fast, path) {
		flags = slices.Concat(strict, []string{"-O2"})
	}
	return unit{dir: b.sources, name: path, content: content, label: path, flags: flags}, err
}

// compileAll compiles sources side by side.
func (b *builder) compileAll(out *objects, units []unit) error {
	*out = make(objects, len(units))
	group, _ := errgroup.WithContext(b.ctx)
	for i, u := range units {
		group.Go(func() error {
			var err error
			(*out)[i], err = b.compile(u)
			return err
		})
	}
	return group.Wait()
}

// compile returns the object of a source: from the cache, or compiled anew. Who else
// wants the same meanwhile waits for it.
func (b *builder) compile(u unit) (string, error) {
	tool, flags := "g++", slices.Concat(commonFlags, cppFlags)
	switch filepath.Ext(u.name) {
	case ".c":
		tool, flags = "gcc", slices.Concat(commonFlags, cFlags)
	case ".S":
		tool, flags = "gcc", nil
	}
	flags = append(flags, u.flags...)
	var include []string
	for _, folder := range u.include {
		include = append(include, folder.name)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %s %q %q %s %s %q %d\n%s", b.toolchain.identity, tool, flags, include, b.headers, u.headers,
		u.name, len(u.content), u.content)
	object := filepath.Join(b.cache, "objects", hex.EncodeToString(hash.Sum(nil))+b.suffix(u))
	if !found(object) {
		_, err, _ := b.flight.Do(object, func() (any, error) {
			return nil, b.compileAnew(u, tool, flags, object)
		})
		if err != nil {
			return "", err
		}
	}
	return object, b.warn(object)
}

// suffix returns the end of the name of a source's object, by which slot.ld knows what it is.
func (b *builder) suffix(u unit) string {
	switch {
	case u.dir != b.sources:
		return ".o"
	case slices.Contains(arithmetic, u.name):
		return ".arithmetic.o"
	case isOptional(u):
		return ".optional.o"
	}
	return ".framework.o"
}

// warnings is the file with what the compiler said of a source, beside the object.
func warnings(object string) string { return strings.TrimSuffix(object, ".o") + ".warnings" }

// warn repeats what the compiler said of an object's source: warnings come again, once in each
// build, until they are heeded.
func (b *builder) warn(object string) error {
	if b.silent || !found(warnings(object)) {
		return nil
	}
	text, err := os.ReadFile(warnings(object))
	if err == nil {
		b.noteOnce(string(text))
	}
	return err
}

// compileAnew compiles a source to an object in the cache.
func (b *builder) compileAnew(u unit, tool string, flags []string, object string) error {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
	if err := privateDir(b.cache, "objects"); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(b.cache, "compile-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if u.dir == "" { // generated
		u.dir = temp
		if err := os.WriteFile(filepath.Join(temp, u.name), u.content, 0o666); err != nil {
			return err
		}
	}
	b.note("compile %s", u.label)
	made := filepath.Join(temp, "object.o")
	for _, folder := range u.include {
		flags = append(flags, "-I"+folder.path, "-ffile-prefix-map="+folder.path+"="+folder.name)
	}
	for _, path := range b.firmwareIncludes() {
		flags = append(flags, "-I"+path)
	}
	args := slices.Concat(flags, []string{
		"-ffile-prefix-map=" + b.sources + "=firmware", "-ffile-prefix-map=" + b.monocypher + "=monocypher",
		"-ffile-prefix-map=" + u.dir + "=.",
		// A name with a path cannot be read as an option or as a file of options; __FILE__ does without.
		"-ffile-prefix-map=./=", "-c", "./" + u.name, "-o", made,
	})
	readable := slices.Concat(u.read, []string{b.sources, b.monocypher})
	said, err := b.toolchain.run(b.ctx, u.dir, temp, readable, tool, args...)
	var failed *toolError
	if errors.As(err, &failed) && b.ctx.Err() == nil {
		b.noteOnce(b.readable(said))
		refused := refusal(u.dir, failed.output)
		if refused != "" {
			b.note("%s: %s", u.label, refused)
		}
		return &CompileError{u.label, failed.output, refused, b.explain(u, failed.output)}
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.compiled = append(b.compiled, u.label)
	b.mu.Unlock()
	if said != "" { // before the object, which would be used without them
		if err := renameio.WriteFile(warnings(object), []byte(b.readable(said)), 0o600); err != nil {
			return err
		}
	}
	if err := makeLast(made); err != nil {
		return err
	}
	return os.Rename(made, object)
}

// CompileError is a source that the compiler refuses.
type CompileError struct {
	Source  string
	Output  string // the compiler's messages, which the log has too
	Refused string // what the compiler was refused, if that is why
	Reason  string // the first error, where and why, as a sentence; empty: see Output
}

var errorLine = regexp.MustCompile(`(?m)^.*\b[Ee]rror: .*$`) // the assembler's begins in upper case

func (e *CompileError) Error() string {
	text := e.Source + " does not compile"
	if e.Refused != "" {
		return text + ": " + e.Refused
	}
	if e.Reason != "" {
		return text + ": " + e.Reason
	}
	if first := errorLine.FindString(e.Output); first != "" {
		return text + ": " + strings.TrimSpace(first)
	}
	return text
}
