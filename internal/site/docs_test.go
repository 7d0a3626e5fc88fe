package site

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"esper/internal/board"
)

// block returns the block of code in a document that begins with a line.
func block(t *testing.T, document, first string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", document))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut("\n"+string(text), "\n    "+first)
	if !found {
		t.Fatalf("%s has no block that begins with %s", document, first)
	}
	end := regexp.MustCompile(`\n\S`).FindStringIndex(rest)
	return strings.ReplaceAll("    "+first+rest[:end[0]], "\n    ", "\n") + "\n"
}

func TestTheDocumentsConfigurationIsReadAsWritten(t *testing.T) {
	spec := block(t, "SPEC.md", "# esper.toml")
	spec = strings.Replace(spec, "[[rollout.types.<type>.stages]]", "[[rollout.types.lamp.stages]]\npercent = 100", 1)
	plans := block(t, "rollouts.md", "[rollout]") + block(t, "rollouts.md", "[rollout.types.sensor]")
	for _, config := range []string{spec, good + plans} {
		dir := newPlannedSite(t, config)
		write(t, filepath.Join(dir, DevicesDir, "lamp", DeviceFile), block(t, "device-types.md", "board = "))
		write(t, filepath.Join(dir, LibraryDir, "leds", "leds.h"), "")
		write(t, filepath.Join(dir, "boards", "kitchen-board.toml"), block(t, "boards.md", "title"))
		s, err := Open(dir)
		if err != nil {
			t.Error(err)
		} else if err := wrong(s); err != nil {
			t.Error(err)
		}
		if _, err := board.Find(filepath.Join(dir, "boards"), "kitchen-board"); err != nil {
			t.Error(err)
		}
		if _, err := OpenFor(dir, "lab"); err != nil && strings.Contains(config, "environment") {
			t.Error(err)
		}
	}
	for _, key := range keys(reflect.TypeFor[configFile]()) {
		if !regexp.MustCompile(`(?m)^\[*([a-z]+\.)?`+key+`\b`).MatchString(spec) && key != "secrets" && key != "recipients" && key != "tag" && key != "group" {
			t.Errorf("SPEC 8 does not name %s", key)
		}
	}
}

// keys are the names of all keys in what is read from TOML.
func keys(of reflect.Type) []string {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return keys(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		if name := f.Tag.Get("toml"); name != "" {
			names = append(names, name)
		}
		names = append(names, keys(f.Type)...)
	}
	return names
}
