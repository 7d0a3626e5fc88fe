package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/fleet"
	"esper/internal/rollout"
	"esper/internal/store"
)

const page = 4096

// inhabited returns the bytes of a database that has something in each table.
func inhabited(t *testing.T) []byte {
	t.Helper()
	where := filepath.Join(t.TempDir(), "esper.db")
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	f := fleet.New("home", slog.New(slog.DiscardHandler))
	var changes []fleet.Change
	var saved rollout.Snapshot
	for i := range 40 {
		id := fmt.Sprintf("%06x", i)
		c, _ := f.Handle("home/"+id+"/status", []byte("ONLINE"), time.Now())
		changes = append(changes, c)
		saved.Devices = append(saved.Devices, rollout.Device{ID: id})
	}
	saved.States = []rollout.State{{Type: "socket"}}
	err = errors.Join(s.Apply(t.Context(), changes), s.SaveRollouts(t.Context(), saved),
		s.SetReleases(t.Context(), []store.Release{{Type: "socket", Version: "8a1b2c3d", Sequence: 1, Served: true}}))
	for i := range 40 {
		err = errors.Join(err, addToken(t, s, fmt.Sprint("ada", i)))
	}
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(where)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// use opens a database and reads all of it. It returns how much that is.
func use(ctx context.Context, where string) (int, error) {
	s, err := store.Open(ctx, where)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	allTokens, tokens := s.Tokens(ctx)
	allDevices, devices := s.Find(ctx, store.Query{})
	allRollouts, rollouts := s.LoadRollouts(ctx)
	_, events := s.History(ctx, store.HistoryQuery{})
	_, audit := s.AuditLog(ctx, access.AuditQuery{})
	_, summary := s.Summary(ctx)
	return len(allTokens) + len(allDevices) + len(allRollouts.Devices), errors.Join(tokens, devices, rollouts, events, audit, summary)
}

// Whatever has happened to the file, that is what is said.
func TestEachDamageIsKnown(t *testing.T) {
	t.Parallel()
	whole := inhabited(t)
	pages := len(whole) / page
	random := rand.NewChaCha8([32]byte{1})
	garbage := make([]byte, len(whole))
	random.Read(garbage)
	damages := map[string][]byte{}
	for n := range pages {
		for with, from := range map[string][]byte{"zeros": make([]byte, page), "garbage": garbage} {
			text := bytes.Clone(whole)
			copy(text[n*page:], from[:page])
			damages[fmt.Sprintf("page %d %s", n+1, with)] = text
		}
		damages[fmt.Sprintf("cut off after page %d", n)] = whole[:n*page]
		damages[fmt.Sprintf("cut off in page %d", n+1)] = whole[:n*page+page/3]
	}
	for from := 0; from < pages; from += 2 {
		for _, length := range []int{3, 10} {
			text := bytes.Clone(whole)
			copy(text[from*page:min(from+length, pages)*page], garbage)
			damages[fmt.Sprintf("%d pages from %d", length, from+1)] = text
		}
	}
	for at := range 100 { // the header
		text := bytes.Clone(whole)
		text[at] ^= 0xff
		damages[fmt.Sprintf("byte %d", at)] = text
	}
	damages["text"] = bytes.Repeat([]byte("no database"), 1000)

	known := 0
	dir := t.TempDir()
	for name, text := range damages {
		where := filepath.Join(dir, "esper.db")
		if err := os.WriteFile(where, text, 0o600); err != nil {
			t.Fatal(err)
		}
		switch n, err := use(t.Context(), where); {
		case store.IsDamaged(err):
			known++
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case n != 3*40:
			t.Errorf("%s: read %d tokens, devices and roll-outs of devices without an error", name, n)
		}
		left, _ := filepath.Glob(where + "*")
		for _, file := range left {
			os.Remove(file)
		}
	}
	if known < len(damages)/2 {
		t.Errorf("%d of %d damages were noticed", known, len(damages))
	}
}

// A log that is left without its database is not taken for that of a new one.
func TestALogWithoutItsDatabase(t *testing.T) {
	where := filepath.Join(t.TempDir(), "esper.db")
	if err := os.WriteFile(where+"-wal", []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), where); !store.IsDamaged(err) {
		t.Errorf("opened: %v", err)
	}
}
