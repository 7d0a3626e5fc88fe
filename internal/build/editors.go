package build

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"esper/internal/site"
)

// CompileCommandsFile is the file in a site's folder that says how each source is compiled, for
// editors with clangd.
const CompileCommandsFile = "compile_commands.json"

// compileCommand is an entry of that file (https://clang.llvm.org/docs/JSONCompilationDatabase.html).
type compileCommand struct {
	Directory string   `json:"directory"`
	File      string   `json:"file"`
	Arguments []string `json:"arguments"`
}

// clangFlags make clang read sources as the cross compiler does. Usual builds of clang do not know
// the chip's processor, so it is told of another one with 32 bits and little endian, and what
// differs: the alignment of 64-bit numbers, plain char, and wchar_t.
var clangFlags = []string{
	"--target=i386-none-elf", "-malign-double", "-funsigned-char", "-fshort-wchar",
	"-D__XTENSA__=1", "-D__XTENSA_EL__=1",
	// The compiler's own warnings are the ones that count.
	"-Wno-unknown-warning-option", "-Wno-unused-private-field", "-Wno-unused-const-variable",
}

// writeCompileCommands writes [CompileCommandsFile] for all device types of a site that can be
// built, unless it is there already. It names the sources as they lie in the site, and headers in
// the cache.
func (b *builder) writeCompileCommands(s *site.Site) error {
	var commands []compileCommand
	named := map[string]bool{} // libraries are shared
	add := func(dir string, sources []string, include []folder) {
		for _, name := range sources {
			file := filepath.Join(dir, name)
			if !named[file] {
				named[file] = true
				commands = append(commands, compileCommand{dir, file, b.clangArguments(file, include)})
			}
		}
	}
	for _, t := range s.Types {
		if t.Wrong != nil {
			continue
		}
		include, err := b.includes(t)
		if err != nil {
			return err
		}
		add(t.Dir, t.Sources, include)
		for _, library := range t.Libraries {
			add(library.Dir, library.Sources, libraryIncludes(library))
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(commands); err != nil {
		return err
	}
	path := filepath.Join(s.Dir, CompileCommandsFile)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text.Bytes()) {
		return nil
	}
	return renameio.WriteFile(path, text.Bytes(), 0o644)
}

// clangArguments is the command with which clang would compile a source of the site's.
func (b *builder) clangArguments(file string, include []folder) []string {
	tool, flags := "clang++", slices.Concat(cppFlags, permissive)
	if filepath.Ext(file) == ".c" {
		tool, flags = "clang", slices.Concat(cFlags, permissive)
	}
	args := slices.Concat([]string{tool}, clangFlags, flags)
	for _, f := range include {
		args = append(args, "-I"+f.path)
	}
	for _, path := range b.firmwareIncludes() {
		args = append(args, "-I"+path)
	}
	// The headers of the C library lie beside its archive.
	headers := filepath.Join(filepath.Dir(b.toolchain.library[0]), "..", "include")
	return append(args, "-nostdlibinc", "-isystem", headers, "-c", file)
}
