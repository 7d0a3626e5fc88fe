package build

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// diagnostic is an error or warning of the compiler's.
type diagnostic struct {
	file, line     string
	column         string // with a colon behind it, or empty
	severity, text string
	moved          bool     // to where the site's code uses what is blamed
	said           []string // all lines, those that lead to it among them
}

var (
	diagnosed    = regexp.MustCompile(`^(.+?):(\d+):(\d+:)? (?:fatal )?(error|warning): (.*)$`)
	requiredHere = regexp.MustCompile(`^(.+?):(\d+):(\d+:)?   required from here$`)
	expandedHere = regexp.MustCompile(`^(.+?):(\d+):(\d+:)? note: in expansion of macro `)
	leadsTo      = regexp.MustCompile(`^(?:In file included from|                 from ).*[,:]$|^.+: (?:In .*:|At global scope:)$|^.+:\d+:(?:\d+:)?   (?:recursively )?required `)
)

// readDiagnostics reads what the compiler says. What a template or a macro of the firmware's is
// blamed for is reported where the site's code uses it: own reports whether a file is the
// firmware's.
func readDiagnostics(said string, own func(file string) bool) []diagnostic {
	var all []diagnostic
	var leading []string
	var here []string // file, line and column of the use
	for line := range strings.Lines(said) {
		line = strings.TrimSuffix(line, "\n")
		if m := diagnosed.FindStringSubmatch(line); m != nil {
			d := diagnostic{m[1], m[2], m[3], m[4], strings.TrimPrefix(m[5], "static assertion failed: "), false, append(leading, line)}
			if own(d.file) && here != nil {
				d.file, d.line, d.column, d.moved = here[0], here[1], here[2], true
			}
			all = append(all, d)
			leading, here = nil, nil
			continue
		}
		if m := requiredHere.FindStringSubmatch(line); m != nil {
			here = m[1:]
		}
		if leadsTo.MatchString(line) || len(all) == 0 {
			leading = append(leading, line)
			continue
		}
		last := &all[len(all)-1]
		if m := expandedHere.FindStringSubmatch(line); m != nil && (last.moved || own(last.file)) {
			last.file, last.line, last.column, last.moved = m[1], m[2], m[3], true
		}
		last.said = append(last.said, line)
	}
	return all
}

// readable returns what the compiler says with one line in place of all that it says of a use of
// the firmware's templates and macros.
func (b *builder) readable(said string) string {
	all := readDiagnostics(said, b.isFirmware)
	if len(all) == 0 {
		return said
	}
	var out strings.Builder
	for _, d := range all {
		if !d.moved {
			out.WriteString(strings.Join(d.said, "\n") + "\n")
			continue
		}
		fmt.Fprintf(&out, "%s:%s:%s %s: %s\n", d.file, d.line, d.column, d.severity, d.text)
	}
	return out.String()
}

// isFirmware reports whether a file that the compiler names belongs to the firmware.
func (b *builder) isFirmware(file string) bool {
	return strings.HasPrefix(file, b.sources+string(filepath.Separator)) ||
		strings.HasPrefix(file, b.monocypher+string(filepath.Separator))
}

// explain returns the first error of a source as a sentence: where, if not just in that source, and
// what to do about those that everybody makes. It is empty if there is none.
func (b *builder) explain(u unit, said string) string {
	for _, d := range readDiagnostics(said, b.isFirmware) {
		if d.severity != "error" {
			continue
		}
		at := "line " + d.line
		if d.file != "./"+u.name {
			at = strings.TrimPrefix(d.file, "./") + ":" + d.line
		}
		return at + ": " + b.advise(d.text, u.content)
	}
	return ""
}

var (
	notMember  = regexp.MustCompile(`^'(\w+)' is not a member of '(board|constants|settings)'`)
	undeclared = regexp.MustCompile(`^'(\w+)' (?:does not name a type|was not declared in this scope|has not been declared)`)
	noInclude  = regexp.MustCompile(`^(.+): No such file or directory$`)
)

// advise adds to a message of the compiler's what to do, where it does not say so itself.
func (b *builder) advise(text string, source []byte) string {
	if m := notMember.FindStringSubmatch(text); m != nil {
		switch m[2] {
		case "board":
			return fmt.Sprintf("the type's board has no pin %s: 'esper boards' lists the pins of each", m[1])
		case "constants":
			return fmt.Sprintf("device.toml has no constant %s", m[1])
		}
		return fmt.Sprintf("device.toml declares no setting %s", m[1])
	}
	if m := noInclude.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("there is no header %s; if a library has it, device.toml must name that: libraries = [...]", m[1])
	}
	if m := undeclared.FindStringSubmatch(text); m != nil && !strings.Contains(string(source), "using namespace esper") && b.declares(m[1]) {
		return fmt.Sprintf("%s is in namespace esper: add the line \"using namespace esper;\" after the includes", m[1])
	}
	if strings.HasPrefix(text, "expected initializer before ") {
		return text + ": is a semicolon missing in the line before?"
	}
	return text
}

// declares reports whether a header of the framework declares a class or a function of that name.
func (b *builder) declares(name string) bool {
	declaration := regexp.MustCompile(`(?m)\b(?:class|struct) ` + name + `\b|^[A-Za-z][\w:<>*& ]* \**` + name + `\(`)
	found := false
	_ = filepath.WalkDir(filepath.Join(b.sources, "framework"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".h" {
			text, _ := os.ReadFile(path)
			found = found || declaration.Match(text)
		}
		return err
	})
	return found
}

var (
	undefined = regexp.MustCompile("(?m)(?:(?:\\./)*([^\\s:/]+:\\d+): )?undefined reference to `([^']*)'")
	twice     = regexp.MustCompile("(?m)(?:\\./)*([^\\s:/]+:\\d+): multiple definition of `([^']*)'; .*?(?:\\./)*([^\\s:/]+:\\d+): first defined here")
	objectAt  = regexp.MustCompile(`(?m)^\S*xtensa-lx106-elf-ld: |\S*/objects/[0-9a-f]{64}(?:\.\w+)*\.o:`)
)

// explainLink returns what the linker says as a sentence.
func explainLink(said string) string {
	if m := twice.FindStringSubmatch(said); m != nil {
		return fmt.Sprintf("%s and %s both define %s", m[3], m[1], m[2])
	}
	missing := ""
	for _, m := range undefined.FindAllStringSubmatch(said, -1) {
		switch {
		case m[2] == "getDevice()":
			return "nothing defines getDevice(): add \"Device* getDevice() { return &device; }\" to a source of the type"
		case m[1] != "":
			return fmt.Sprintf("%s: nothing defines %s", m[1], m[2])
		}
		missing = m[2]
	}
	if missing != "" {
		return "nothing defines " + missing
	}
	return lastLine([]byte(said))
}
