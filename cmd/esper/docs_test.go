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

func TestEachCommandInTheDocumentsIsOne(t *testing.T) {
	t.Setenv(site.EnvironmentVariable, "")
	parse := func(line string) error {
		parser, err := kong.New(&commands{}, kong.Name("esper"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(strings.Fields(strings.ReplaceAll(line, " N ", " 1 ")))
		return err
	}
	found := 0
	for name, text := range documents(t) {
		for _, m := range typed.FindAllStringSubmatch(text, -1) {
			found++
			if m[1] == "firmware 1" {
				continue // SPEC 5: the first line of what is signed
			}
			if err := parse(m[1]); err != nil {
				t.Errorf("%s: esper %s: %v", name, m[1], err)
			}
		}
		for _, m := range told.FindAllStringSubmatch(text, -1) {
			found++
			if err := parse(m[1]); err != nil && never.MatchString(err.Error()) {
				t.Errorf("%s: esper %s: %v", name, m[1], err)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands are found", found)
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
