package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/store"
	"esper/internal/store/storetest"
)

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "a folder? 100%", "esper.db") }

func TestSQLite(t *testing.T) {
	storetest.Suite(t, func(t testing.TB) string {
		where := newFile(t)
		if err := os.Mkdir(filepath.Dir(where), 0o755); err != nil {
			t.Fatal(err)
		}
		return where
	})
}

func TestPostgreSQL(t *testing.T) { storetest.Suite(t, storetest.PostgreSQL(t)) }

func TestADatabaseThatIsNotThere(t *testing.T) {
	where := newFile(t)
	if _, err := store.OpenExisting(t.Context(), where); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("opened as it is: %v", err)
	}
	if _, err := store.Open(t.Context(), where); err == nil {
		t.Error("opened in a folder that is not there")
	}
}

func TestOnlyItsOwnerReadsADatabase(t *testing.T) {
	where := filepath.Join(t.TempDir(), "esper.db")
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	files, _ := filepath.Glob(where + "*")
	if len(files) < 2 {
		t.Errorf("files %v, want a write-ahead log, too", files)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestAPasswordIsNotShown(t *testing.T) {
	for where, want := range map[string]string{
		"postgres://ada:secret@db/esper": "postgres://ada:xxxxx@db/esper",
		"postgres://ada:sec ret%@db":     "postgres://…",
		"data/esper.db":                  "data/esper.db",
	} {
		if got := store.Redact(where); got != want {
			t.Errorf("%s is shown as %s", where, got)
		}
	}
	if _, err := store.Open(t.Context(), "postgres://ada:secret@127.0.0.1:1/esper?sslmode=disable"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestTheURLOfAnotherDatabaseIsRefusedWithoutItsPassword(t *testing.T) {
	for name, open := range map[string]func(context.Context, string) (store.Store, error){"open": store.Open, "as it is": store.OpenExisting} {
		_, err := open(t.Context(), "mysql://esper:hunter2@db/esper")
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "postgres://") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
