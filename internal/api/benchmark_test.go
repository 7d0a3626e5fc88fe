package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/rollout"
	"esper/internal/store"
)

// BenchmarkPage is what the dashboard asks of a fleet of 10,000 devices: a page of a hundred,
// what a search finds, the groups, and the whole in numbers.
func BenchmarkPage(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	kept, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "esper.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	firmware, err := repository.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	by, err := conductor.Open(conductor.Config{
		Plan: func(string) rollout.Plan { return rollout.AllAtOnce }, Storage: kept, Now: time.Now, Log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	ofSettings, err := conductor.Open(conductor.Config{
		Plan: func(string) rollout.Plan { return rollout.AllAtOnce }, Settings: true, Storage: kept.SettingsRollouts(), Now: time.Now, Log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	var changes []fleet.Change
	for n := range 10_000 {
		d := fleet.Device{ID: fmt.Sprintf("%06x", n), Status: fleet.Online, Info: new(fleet.Info), Seen: time.Now()}
		if err := json.Unmarshal(fmt.Appendf(nil, `{"device":"socket","chip_id":"%s","version":{"esper":"v%d","sequence":%d},
			"network":{"ip":"192.168.1.23"},"wifi":{"ssid":"home","rssi":-61},"uptime":100}`, d.ID, n%3, n%3), d.Info); err != nil {
			b.Fatal(err)
		}
		changes = append(changes, fleet.Change{Device: d})
		by.Report(changes[n])
	}
	if err := kept.Apply(b.Context(), changes); err != nil {
		b.Fatal(err)
	}
	guard := access.NewGuard(access.NewKeeper(kept, log), kept.Audit, log)
	c := Config{
		Store: kept, Repository: firmware, Feed: repository.NewFeed(firmware), Conductor: by, Settings: ofSettings, Guard: guard, Live: NewLive(log), Log: log,
	}
	handler := Handler(c)
	for name, path := range map[string]string{
		"first": "devices?limit=100", "last": "devices?limit=100&offset=9900&sort=-seen", "search": "devices?limit=100&search=26f", "groups": "groups", "summary": "summary",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, Path+path, nil)
				r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost"
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
