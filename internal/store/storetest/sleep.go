package storetest

import (
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
	"esper/internal/store"
)

func findsSleeping(t *testing.T, b *bench) {
	for _, id := range []string{"000001", "000002", "000003"} {
		text := info(id, "sensor", "v1", 1, 1, 2, "deep-sleep")
		b.says(now, id+"/info", strings.Replace(text, "{", `{"sleep":600,`, 1))
	}
	b.says(now, "000001/status", fleet.Online)
	b.says(now, "000002/status", fleet.Sleeping)
	b.says(now.Add(-time.Hour), "000003/status", fleet.Sleeping)
	b.must(b.store.Apply(b.Context(), b.fleet.Silence(now.Add(-time.Hour), now)))
	for _, test := range []struct {
		query store.Query
		want  string
	}{
		{store.Query{Presence: fleet.Online}, "000001"},
		{store.Query{Presence: fleet.Sleeping}, "000002"},
		{store.Query{Presence: fleet.Silent}, "000003"},
		{store.Query{Condition: store.Vanished}, "000003"},
		{store.Query{Sort: "presence"}, "000001 000003 000002"}, // ONLINE, SILENT, SLEEPING
	} {
		if got := b.ids(test.query); got != test.want {
			t.Errorf("%+v finds %q, want %q", test.query, got, test.want)
		}
	}
	sum, err := b.store.Summary(b.Context())
	b.must(err)
	if sum.Devices != 3 || sum.Online != 2 || sum.Sleeping != 1 || sum.Types[0].Online != 2 || sum.Attention[store.Vanished] != 1 {
		t.Errorf("summary %+v", sum)
	}
	members, err := b.store.Members(b.Context())
	b.must(err)
	for _, m := range members {
		if m.Online != (m.ID != "000003") {
			t.Errorf("%+v", m)
		}
	}
	if d := b.find(store.Query{ID: "000002"})[0]; d.Presence() != fleet.Sleeping || d.Info.Sleep != 600 {
		t.Errorf("it is %s, %+v", d.Presence(), d.Info)
	}
}
