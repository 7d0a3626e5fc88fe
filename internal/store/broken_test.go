package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFullDiskAndADamagedFileAreKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "esper.db")
	handle, err := Migrate(t.Context(), path, Schema)
	if err != nil {
		t.Fatal(err)
	}
	handle.SetMaxOpenConns(1)
	if _, err := handle.Exec("PRAGMA max_page_count = 1"); err != nil { // it gets no smaller than it is
		t.Fatal(err)
	}
	_, err = handle.Exec("CREATE TABLE more (text TEXT)")
	for err == nil {
		_, err = handle.Exec("INSERT INTO more VALUES ($1)", strings.Repeat("x", 4096))
	}
	if !IsFull(err) || IsDamaged(err) {
		t.Errorf("full: %v", err)
	}
	if err := handle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), path, Schema); !IsDamaged(err) || IsFull(err) {
		t.Errorf("damaged: %v", err)
	}
	if IsFull(errors.New("another")) || IsFull(nil) {
		t.Error("another error is taken for a full disk")
	}
}
