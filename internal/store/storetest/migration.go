package storetest

import (
	"embed"
	"errors"
	"fmt"
	"testing"

	"esper/internal/access"
	"esper/internal/fleet"
	"esper/internal/store"
)

// What each schema could hold first, as the program of that time wrote it: <schema>.sql.
//
//go:embed testdata/*.sql
var written embed.FS

// at makes a database as it was with an earlier schema, with all that it could hold.
func at(t *testing.T, where string, schema int64) {
	t.Helper()
	for version := int64(1); version <= schema; version++ {
		raw, err := store.Migrate(t.Context(), where, version)
		if err != nil {
			t.Fatal(err)
		}
		content, err := written.ReadFile(fmt.Sprintf("testdata/%d.sql", version))
		if err != nil {
			t.Fatalf("each schema needs a file of what it could hold first: %v", err)
		}
		if _, err := raw.Exec(string(content)); err != nil {
			t.Fatalf("testdata/%d.sql: %v", version, err)
		}
		raw.Close()
	}
}

func migrates(t *testing.T, newDatabase func(testing.TB) string) {
	for schema := int64(1); schema <= store.Schema; schema++ {
		t.Run(fmt.Sprint(schema), func(t *testing.T) {
			b := &bench{T: t, where: newDatabase(t)}
			at(t, b.where, schema)
			if existing, err := store.OpenExisting(t.Context(), b.where); (err == nil) != (schema == store.Schema) {
				t.Errorf("opened as it is: %v", err)
			} else if err == nil {
				existing.Close()
			} else if !errors.Is(err, store.ErrSchema) {
				t.Errorf("opened as it is: %v", err)
			}
			b.open()
			found := b.find(store.Query{Type: "socket", Group: "kitchen", Tag: "canary"})
			if len(found) != 1 || found[0].Name != "Kettle" || found[0].Version() != "8a1b2c3d" || found[0].Info.Uptime != 12 ||
				found[0].Update.Progress != 40 || found[0].Malformed != 2 ||
				len(found[0].Problems) != map[bool]int{true: 1}[schema >= 10] || found[0].FirstSeen.Year() != 2026 {
				t.Errorf("device %s", show(found))
			}
			events := b.history(store.HistoryQuery{})
			if n := len(events); n != map[bool]int{true: 1}[schema >= 2] {
				t.Errorf("%d events", n)
			}
			counted := schema >= 11
			if (found[0].Update.Received != nil) != counted || schema >= 2 && (events[0].Received != nil) != counted {
				t.Errorf("received in %s and %s", show(found[0].Update), show(events))
			}
			if got := b.ids(store.Query{Condition: store.Lagging}); got != map[bool]string{true: "00c0de"}[schema >= 5] {
				t.Errorf("lagging: %q", got)
			}
			tokens, err := b.store.Tokens(t.Context())
			b.must(err)
			if n := len(tokens); n != map[bool]int{true: 1}[schema >= 4] {
				t.Errorf("%d tokens", n)
			}
			logins, err := b.store.DeviceLogins(t.Context())
			b.must(err)
			if n := len(logins); n != map[bool]int{true: 1}[schema >= 13] || n > 0 && (logins[0].Revoked.IsZero() || logins[0].Used().IsZero()) {
				t.Errorf("logins of devices: %s", show(logins))
			}
			entries, err := b.store.AuditLog(t.Context(), access.AuditQuery{})
			b.must(err)
			if n := len(entries); n != map[bool]int{true: 1}[schema >= 4] {
				t.Errorf("%d entries in the audit log", n)
			}
			saved, err := b.store.LoadRollouts(t.Context())
			if err != nil || schema >= 5 && (len(saved.States) != 1 || saved.States[0].AtRisk != 1 || !saved.Devices[0].Held) {
				t.Errorf("roll-outs %s, %v", show(saved), err)
			}
			wanted, err := b.store.WantedSettings(t.Context())
			b.must(err)
			if n := len(wanted); n != map[bool]int{true: 1}[schema >= 14] {
				t.Errorf("%d wanted settings", n)
			}
			ofSettings, err := b.store.SettingsRollouts().LoadRollouts(t.Context())
			if err != nil || schema >= 12 && (len(ofSettings.States) != 1 || ofSettings.Devices[0].Running != "6" || ofSettings.Targets[0].Release != "7") {
				t.Errorf("roll-outs of settings %s, %v", show(ofSettings), err)
			}
			if s := found[0].Settings; (s != nil) != (schema >= 12) || s != nil && s.Candidate != 7 {
				t.Errorf("settings %s", show(s))
			}
			// And it goes on.
			b.must(b.store.Apply(t.Context(), []fleet.Change{{
				Device: fleet.Device{ID: "00c0de", Status: fleet.Offline},
				Events: []fleet.Event{{Device: "00c0de", At: now, Kind: fleet.PresenceEvent, After: fleet.Offline}},
			}}))
			if found := b.find(store.Query{ID: "00c0de"})[0]; found.Status != fleet.Offline || found.Name != "Kettle" {
				t.Errorf("afterwards %s", show(found))
			}
		})
	}
}

func refusesNewer(t *testing.T, where string) {
	raw, err := store.Migrate(t.Context(), where, store.Schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, TRUE)"); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	if _, err := store.Open(t.Context(), where); !errors.Is(err, store.ErrSchema) {
		t.Errorf("opened: %v", err)
	}
	if _, err := store.OpenExisting(t.Context(), where); !errors.Is(err, store.ErrSchema) {
		t.Errorf("opened as it is: %v", err)
	}
}
