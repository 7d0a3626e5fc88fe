package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"esper/internal/site"
)

// documents are all that people read, by their path from the repository's root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/ci/*.yaml", "examples/systemd/*.service"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || paths == nil {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(path, "../../")] = string(text)
		}
	}
	return texts
}

var (
	// A command to be typed, with what stands before it; one in a sentence, of which the
	// arguments may be left out.
	typed = regexp.MustCompile(`(?m)^(?: {4,}|ExecStart=/usr/local/bin/)(?:.*&& |\$ |- |[A-Z_]+=\S+ )?esper ([a-z][^#<>|&\n]*)`)
	told  = regexp.MustCompile("`esper ([a-z][^`<]*)`")
	// What is wrong with a command whatever its arguments are.
	never = regexp.MustCompile(`unknown flag|unexpected argument|must be one of`)
)

// parse parses what stands behind esper in a command line.
func parse(t *testing.T, line string) error {
	t.Helper()
	t.Setenv(site.EnvironmentVariable, "")
	parser, err := kong.New(&commands{}, kong.Name("esper"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(strings.Fields(placeholders.Replace(line + " ")))
	return err
}

// Words that stand for what a command takes only some of.
var placeholders = strings.NewReplacer(" N ", " 1 ", " ROLE ", " viewer ", "%s", "x", "%d", "1", "${MQTT}", "x")

func TestEachCommandInTheDocumentsIsOne(t *testing.T) {
	found := 0
	for name, text := range documents(t) {
		for _, m := range typed.FindAllStringSubmatch(text, -1) {
			found++
			if m[1] == "firmware 1" || m[1] == "settings 1" {
				continue // SPEC 5 and 12.4: the first line of what is signed
			}
			if err := parse(t, m[1]); err != nil {
				t.Errorf("%s: esper %s: %v", name, m[1], err)
			}
		}
		for _, m := range told.FindAllStringSubmatch(text, -1) {
			found++
			if err := parse(t, m[1]); err != nil && never.MatchString(err.Error()) {
				t.Errorf("%s: esper %s: %v", name, m[1], err)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands are found", found)
	}
}

var (
	// Commands in what the program says itself: in quotes, or behind a colon to the end of the
	// sentence; in a dashboard's page; and any mention.
	quoted    = regexp.MustCompile(`'esper\s+([a-z][^']*)'|: esper ([a-z][^;"'` + "`" + `\\\n]*)`)
	shown     = regexp.MustCompile(`["` + "`" + `]esper ([a-z][^"` + "`" + `$]*)["` + "`" + `]`)
	mentioned = regexp.MustCompile(`(?m)(?:^|[^.\w])esper ([a-z][a-z-]*)`)
)

// The program itself names commands in hints, in help, in its pages and in what it generates.
func TestEachCommandThatTheProgramNamesIsOne(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("esper"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"firmware": true, "keeps": true} // SPEC 5: the first line of what is signed; what the program does
	for _, command := range parser.Model.Children {
		known[command.Name] = true
	}
	found := map[string]int{}
	for _, dir := range []string{"cmd", "internal", "examples"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry os.DirEntry, err error) error {
			kind := filepath.Ext(path)
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.Contains(".go .js .html .sh .yaml", kind) || kind == "" {
				return err
			}
			content, err := os.ReadFile(path)
			text := strings.ReplaceAll(string(content), "'\\''", "'")
			lines := quoted.FindAllStringSubmatch(text, -1)
			if kind != ".go" {
				lines = append(lines, shown.FindAllStringSubmatch(text, -1)...)
			}
			for _, m := range lines {
				line := strings.Join(m[1:], "")
				found[kind]++
				if err := parse(t, line); err != nil && never.MatchString(err.Error()) {
					t.Errorf("%s: esper %s: %v", path, line, err)
				}
			}
			for _, m := range mentioned.FindAllStringSubmatch(text, -1) {
				if !known[m[1]] {
					t.Errorf("%s: esper %s is no command", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found[".go"] < 80 || found[".js"] < 5 {
		t.Errorf("only %v commands are found", found)
	}
	for line, wrong := range map[string]bool{"emulate socket": true, "serve --pus": true, "token add NAME --role admin": true, "token add NAME --role ROLE": false} {
		if err := parse(t, line); wrong != (err != nil && never.MatchString(err.Error())) {
			t.Errorf("esper %s: %v", line, err)
		}
	}
}

func TestTheReadmeNamesEachCommand(t *testing.T) {
	_, table, _ := strings.Cut(documents(t)["README.md"], "| command |")
	table, _, _ = strings.Cut(table, "\n\n")
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		if !regexp.MustCompile("`(esper )?" + command.Name + "[` ]").MatchString(table) {
			t.Errorf("its table does not name %s", command.Name)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	code    = regexp.MustCompile("(?ms)^```.*?^```")
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestEachLinkLeadsSomewhere(t *testing.T) {
	texts := documents(t)
	anchors := func(name string) map[string]bool {
		found := map[string]bool{"": true}
		for _, m := range heading.FindAllStringSubmatch(code.ReplaceAllString(texts[name], ""), -1) {
			slug := dropped.ReplaceAllString(strings.ToLower(m[1]), "")
			found[strings.ReplaceAll(slug, " ", "-")] = true
		}
		return found
	}
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if !strings.HasSuffix(name, ".md") || strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if path != "" {
				to = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join("../..", to)); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			} else if !anchors(to)[anchor] {
				t.Errorf("%s: %s: there is no such heading", name, m[1])
			}
		}
	}
}

// What the documents name of the program's inside: tests, variables of the environment,
// targets of make.
func TestWhatTheDocumentsNameIsThere(t *testing.T) {
	var sources strings.Builder
	for _, dir := range []string{"cmd", "internal", "emulator", "firmware", "examples", "Makefile"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" && entry.Name() != "Makefile" {
				return err
			}
			text, err := os.ReadFile(path)
			sources.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range documents(t) {
		for _, m := range regexp.MustCompile(`\b(Test[A-Z]\w+|ESPER_[A-Z_]+)|(?m:^ {4,}|`+"`"+`)(make [a-z]+)`).FindAllStringSubmatch(text, -1) {
			want := m[1]
			switch {
			case strings.HasSuffix(want, "_FILE"): // of each secret
				want = strings.TrimSuffix(want, "_FILE")
			case m[2] != "":
				want = "\n" + strings.TrimPrefix(m[2], "make ") + ":"
			case strings.HasPrefix(want, "Test"):
				want = "func " + want
			}
			if !strings.Contains(sources.String(), want) {
				t.Errorf("%s names %s, which there is not", name, m[0])
			}
		}
	}
}

func TestTheDesignNamesEachPackage(t *testing.T) {
	design := documents(t)["docs/DESIGN.md"]
	packages, err := filepath.Glob("../../internal/*/*.go")
	if err != nil || packages == nil {
		t.Fatal(packages, err)
	}
	for _, path := range packages {
		name := strings.TrimPrefix(filepath.Dir(path), "../../")
		if !strings.HasSuffix(path, "_test.go") && !strings.Contains(design, "\n    "+name+"/ ") {
			t.Errorf("section 3 does not name %s", name)
		}
	}
}
