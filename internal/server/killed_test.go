package server_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/server"
	"esper/internal/store"
	"esper/internal/store/storetest"
)

// The environment of a child process that is a server.
const (
	childDatabase = "ESPER_TEST_DATABASE"
	childFolder   = "ESPER_TEST_FOLDER"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDatabase) != "" {
		serveUntilKilled()
	}
	os.Exit(m.Run())
}

func serveUntilKilled() {
	s, err := server.Open(server.Config{
		Realm: "home", RepositoryDir: os.Getenv(childFolder), HTTPListen: "127.0.0.1:0", MQTTListen: "127.0.0.1:0",
		Database: os.Getenv(childDatabase), Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err == nil {
		fmt.Println(s.MQTTAddr())
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, "the server ended by itself:", err)
	os.Exit(1)
}

func TestAKilledServerLosesNothingInSQLite(t *testing.T) {
	killRepeatedly(t, filepath.Join(t.TempDir(), "esper.db"))
}

func TestAKilledServerLosesNothingInPostgreSQL(t *testing.T) {
	killRepeatedly(t, storetest.PostgreSQL(t)(t))
}

// shown is what the database has shown to others while the server ran: that it must
// never take back.
type shown struct {
	sequence map[string]uint32      // by device: what it runs
	events   map[string]fleet.Event // by device, time and kind
	name     string                 // of the first device, as was acknowledged
}

// killRepeatedly kills a server at any moment while hundreds of devices report, others
// read and a person names a device.
func killRepeatedly(t *testing.T, where string) {
	seen := shown{sequence: map[string]uint32{}, events: map[string]fleet.Event{}}
	folder := t.TempDir()
	sequence := uint32(0)
	for range 6 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDatabase+"="+where, childFolder+"="+folder)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { child.Process.Kill(); child.Wait() })
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal("the server does not start")
		}

		var working sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		working.Go(func() { sequence = report(ctx, t, strings.TrimSpace(address), sequence) })
		working.Go(func() { seen.watch(ctx, t, where) })
		time.Sleep(300*time.Millisecond + rand.N(500*time.Millisecond))
		child.Process.Kill()
		child.Wait()
		stop()
		working.Wait()
		seen.check(t, where)
	}
	if len(seen.events) < 1000 || seen.name == "" {
		t.Errorf("only %d events were seen, and the name %q: that tested little", len(seen.events), seen.name)
	}
}

// report lets devices report new versions until the server is gone.
func report(ctx context.Context, t *testing.T, address string, sequence uint32) uint32 {
	c, err := broker.Dial(ctx, &url.URL{Scheme: "mqtt", Host: address}, discard)
	if err != nil { // it was killed first; that all went so, the number of events tells
		return sequence
	}
	defer c.Close()
	const devices, rounds = 300, 90 // fewer than a device may change in a minute
	for range rounds {
		sequence++
		for i := range devices {
			id := fmt.Sprintf("%06x", i)
			text := fmt.Sprintf(`{"device":"socket","chip_id":"%s","version":{"esper":"v%d","sequence":%d},"uptime":1}`, id, sequence, sequence)
			if ctx.Err() != nil || !c.Connected() || c.Publish("home/"+id+"/info", []byte(text), true) != nil {
				return sequence
			}
		}
	}
	<-ctx.Done()
	return sequence
}

// watch reads what is stored, and names a device, until the context ends.
func (s *shown) watch(ctx context.Context, t *testing.T, where string) {
	db, err := store.OpenExisting(t.Context(), where)
	if err != nil {
		t.Error(err)
		return
	}
	defer db.Close()
	for n := 0; ctx.Err() == nil; n++ {
		s.read(t, db)
		name := fmt.Sprint("name ", time.Now().UnixNano())
		if _, known := s.sequence["000000"]; !known {
			continue
		}
		if err := db.Label(t.Context(), "000000", store.LabelChange{Name: &name}); err != nil {
			t.Error(err)
			return
		}
		s.name = name
	}
}

// read adds what is stored now to what was shown.
func (s *shown) read(t *testing.T, db store.Store) {
	devices, err := db.Find(t.Context(), store.Query{})
	if err != nil {
		t.Error(err)
	}
	for _, d := range devices {
		s.sequence[d.ID] = d.Info.Version.Sequence
	}
	events, err := db.History(t.Context(), store.HistoryQuery{Limit: 2000})
	if err != nil {
		t.Error(err)
	}
	for _, e := range events {
		s.events[fmt.Sprint(e.Device, e.At, e.Kind)] = e
	}
}

// check compares what is stored after the end of the server with what was shown, and
// the state of each device with its history.
func (s *shown) check(t *testing.T, where string) {
	t.Helper()
	db, err := store.OpenExisting(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	events, err := db.History(t.Context(), store.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]fleet.Event{}
	last := map[string]string{}
	for _, e := range events {
		stored[fmt.Sprint(e.Device, e.At, e.Kind)] = e
		if e.Kind == fleet.VersionEvent {
			if e.Before != last[e.Device] {
				t.Errorf("device %s: the history goes from %s to %s", e.Device, last[e.Device], e.Before)
			}
			last[e.Device] = e.After
		}
	}
	for key, e := range s.events {
		if stored[key] != e {
			t.Errorf("an event was shown and is lost: %+v", e)
		}
	}
	devices, err := db.Find(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) < len(s.sequence) {
		t.Errorf("%d devices, %d were shown", len(devices), len(s.sequence))
	}
	for _, d := range devices {
		if d.Info.Version.Sequence < s.sequence[d.ID] {
			t.Errorf("device %s: %d was shown, stored is %d", d.ID, s.sequence[d.ID], d.Info.Version.Sequence)
		}
		if d.Version() != last[d.ID] {
			t.Errorf("device %s runs %s, its history says %s", d.ID, d.Version(), last[d.ID])
		}
		if d.ID == "000000" && d.Name != s.name {
			t.Errorf("named %q, stored is %q", s.name, d.Name)
		}
	}
	if strings.HasPrefix(where, "postgres:") {
		return
	}
	raw, err := store.Migrate(t.Context(), where, store.Schema)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var integrity string
	if err := raw.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity: %s, %v", integrity, err)
	}
}
