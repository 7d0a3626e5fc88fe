package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/store"
	"esper/internal/store/storetest"
)

func addToken(t *testing.T, s store.Store, name string) error {
	t.Helper()
	_, token, err := access.NewToken(name, access.Operator, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return s.AddToken(t.Context(), token, "test")
}

func names(t *testing.T, s store.Store) (names []string) {
	t.Helper()
	tokens, err := s.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		names = append(names, token.Name)
	}
	return names
}

// On a full disk a database is opened all the same, with all that is in it, also what a server
// that was killed had only in its write-ahead log; and it is written again when there is room.
func TestADatabaseOnAFullDisk(t *testing.T) {
	for _, killed := range []bool{false, true} {
		name := map[bool]string{false: "after an end", true: "after a crash"}[killed]
		t.Run(name, func(t *testing.T) {
			dir, fill := storetest.SmallDisk(t)
			where := filepath.Join(dir, "esper.db")
			made := where
			if killed {
				made = filepath.Join(t.TempDir(), "esper.db")
			}
			s, err := store.Open(t.Context(), made)
			if err != nil {
				t.Fatal(err)
			}
			if err := addToken(t, s, "ada"); err != nil {
				t.Fatal(err)
			}
			if killed {
				for _, suffix := range []string{"", "-wal"} {
					text, err := os.ReadFile(made + suffix)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(where+suffix, text, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			filler := fill()

			s, err = store.Open(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := store.Unwritable(s); !store.IsFull(err) {
				t.Errorf("said to be wrong: %v", err)
			}
			if got := names(t, s); len(got) != 1 || got[0] != "ada" {
				t.Errorf("tokens %v, want ada's", got)
			}
			if _, err := s.LoadRollouts(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := s.Find(t.Context(), store.Query{}); err != nil {
				t.Error(err)
			}
			if err := addToken(t, s, "eve"); err == nil {
				t.Error("a token is kept on a full disk")
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if err := addToken(t, s, "eve"); err != nil {
				t.Errorf("with room again: %v", err)
			}
			store.ForgetConnections(s)
			if got := names(t, s); len(got) != 2 || store.Unwritable(s) != nil {
				t.Errorf("afterwards: tokens %v, %v", got, store.Unwritable(s))
			}
			other, err := store.OpenExisting(t.Context(), where) // as another process does
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if got := names(t, other); len(got) != 2 {
				t.Errorf("another process sees the tokens %v", got)
			}
		})
	}
}

// A database that cannot be made leaves nothing that looks like one.
func TestANewDatabaseOnAFullDisk(t *testing.T) {
	dir, fill := storetest.SmallDisk(t)
	where := filepath.Join(dir, "esper.db")
	filler := fill()
	if _, err := store.Open(t.Context(), where); err == nil {
		t.Fatal("made on a full disk")
	} else if store.IsDamaged(err) {
		t.Errorf("said to be damaged: %v", err)
	}
	if _, err := os.Stat(where); err == nil {
		t.Error("something was left")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
