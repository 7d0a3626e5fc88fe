package conductor_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
	"esper/internal/rollout"
	"esper/internal/store"
	"esper/internal/store/storetest"
)

// The work of a conductor over a database with fleets of two sizes, on both databases: to save
// an offer before the device hears of it, to let time pass, and to start.
func BenchmarkConductor(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		benchmark(b, func(b *testing.B) string { return filepath.Join(b.TempDir(), "esper.db") })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		newDatabase := storetest.PostgreSQL(b)
		benchmark(b, func(b *testing.B) string { return newDatabase(b) })
	})
}

func benchmark(b *testing.B, newDatabase func(*testing.B) string) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n, " devices"), func(b *testing.B) {
			storage, err := store.Open(context.Background(), newDatabase(b))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { storage.Close() })
			plan := rollout.Plan{Stages: []rollout.Stage{{Percent: 100, Watch: time.Hour}}, ReportWithin: time.Hour, Patience: time.Hour}
			releases, err := repository.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			config := conductor.Config{
				Plan: func(string) rollout.Plan { return plan }, Keep: releases.Keep, Storage: storage, Now: time.Now,
				Log: slog.New(slog.DiscardHandler),
			}
			tick := func(c *conductor.Conductor) {
				if err := c.Tick(context.Background(), true); err != nil {
					b.Fatal(err)
				}
			}
			s := &site{t: b, repository: releases, conductor: openConductor(b, config), now: time.Now()}
			s.fleet = fleet.New("home", slog.New(slog.DiscardHandler))
			s.fleet.Follow(s.conductor.Report)
			s.feed = repository.NewFeed(releases, s.conductor.Published)
			publish := func(version string, sequence uint32) {
				if err := releases.Publish(repositorytest.Release(b, "socket", version, sequence), repository.Allow{}); err != nil {
					b.Fatal(err)
				}
				s.look()
				tick(s.conductor)
			}
			publish("v1", 1)
			for i := range n {
				s.report(fmt.Sprintf("%06x", i), "v1", 1, nil)
			}
			publish("v2", 2)
			for range n / 5000 {
				tick(s.conductor) // until all targets are saved
			}
			b.Run("an offer", func(b *testing.B) {
				i := 0
				for b.Loop() {
					id := fmt.Sprintf("%06x", i%n)
					if i++; i > n {
						b.Skip("all have been told")
					}
					if got := s.conductor.Choose(repository.Request{Type: "socket", Device: id, Running: "v1", File: "version"}); got != "v2" {
						b.Fatalf("%s gets %q", id, got)
					}
				}
			})
			b.Run("a tick", func(b *testing.B) {
				tick(s.conductor)
				for b.Loop() {
					tick(s.conductor)
				}
			})
			b.Run("the start", func(b *testing.B) {
				for b.Loop() {
					openConductor(b, config)
				}
			})
		})
	}
}
