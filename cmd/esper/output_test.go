package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/store"
)

// broken is a standard output that takes some bytes and then fails.
type broken struct {
	room int
	err  error
}

func (b *broken) Write(p []byte) (int, error) {
	n := min(len(p), b.room)
	b.room -= n
	if n < len(p) {
		return n, &os.PathError{Op: "write", Path: "/dev/stdout", Err: b.err}
	}
	return n, nil
}

// tokenDatabase is the file of a database with a token of somebody.
func tokenDatabase(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "esper.db")
	s, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := access.NewToken("first", access.Viewer, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddToken(t.Context(), token, "test"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("esper firmware 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := tokenDatabase(t)
	key := filepath.Join(t.TempDir(), "age.key")
	for _, args := range [][]string{
		{}, {"--help"}, {"token", "--help"}, {"version"}, {"secrets", "keygen", key},
		{"token", "list", "--database", database}, {"token", "list", "--json", "--database", database},
		{"token", "add", "eve", "--role", "viewer", "--database", database},
	} {
		for _, room := range []int{0, 10} {
			os.Remove(key)
			var notes bytes.Buffer
			code := run(args, strings.NewReader(""), &broken{room, syscall.ENOSPC}, &notes)
			if code != exitFailed || !strings.Contains(notes.String(), "no space left on device\nesper: hint: the disk is full") {
				t.Errorf("esper %v, room for %d bytes: exit code %d\n%s", args, room, code, &notes)
			}
		}
	}
	// What is said of the files counts for more: it is the exit code that a script looks at.
	var notes bytes.Buffer
	if code := run([]string{"image", file}, strings.NewReader(""), &broken{0, syscall.ENOSPC}, &notes); code == 0 {
		t.Errorf("esper image: exit code %d\n%s", code, &notes)
	}
}

func TestAReaderThatHasReadEnoughIsNoError(t *testing.T) {
	var notes bytes.Buffer
	if code := run([]string{"--help"}, strings.NewReader(""), &broken{10, syscall.EPIPE}, &notes); code != exitFailed || notes.Len() > 0 {
		t.Errorf("exit code %d\n%s", code, &notes)
	}
}

// As the first token it would lock out everybody, also whoever made it.
func TestATokenThatCouldNotBeShownIsNone(t *testing.T) {
	database := tokenDatabase(t)
	for _, lost := range []error{syscall.ENOSPC, syscall.EPIPE} {
		var notes bytes.Buffer
		code := run([]string{"token", "add", "eve", "--role", "operator", "--database", database}, strings.NewReader(""), &broken{0, lost}, &notes)
		if code != exitFailed || !strings.Contains(notes.String(), "esper: error: there is no new token, since it could not be shown: write /dev/stdout: "+lost.Error()) {
			t.Errorf("%v: exit code %d\n%s", lost, code, &notes)
		}
		s, err := store.OpenExisting(context.Background(), database)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := s.Tokens(t.Context())
		if err != nil || len(tokens) != 1 || tokens[0].Name != "first" {
			t.Errorf("%v: there are %v, %v", lost, tokens, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
