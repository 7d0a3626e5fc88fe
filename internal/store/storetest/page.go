package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"esper/internal/store"
)

// household is three devices that differ in everything.
func (b *bench) household() {
	name, other, group := "Kettle 100% _ !", "Café", "kitchen"
	b.says(now, "00000a/status", "ONLINE")
	b.says(now, "00000a/info", info("00000a", "socket", "v10", 10, 1, 1, "power-on"))
	b.says(now.Add(time.Hour), "00000b/info", info("00000b", "sensor", "v9", 9, 1, 1, "power-on"))
	b.says(now.Add(time.Minute), "00000c/status", "OFFLINE")
	b.must(b.store.Label(b.Context(), "00000a", store.LabelChange{Name: &name, Group: &group, Tag: []string{"slow", "canary"}}))
	b.must(b.store.Label(b.Context(), "00000b", store.LabelChange{Name: &other, Tag: []string{"canary"}}))
}

func pages(t *testing.T, b *bench) {
	b.household()
	for _, c := range []struct {
		query store.Query
		ids   string
		total int
	}{
		{store.Query{}, "00000c 00000b 00000a", 3}, // by type; of one it is not known
		{store.Query{Sort: "id"}, "00000a 00000b 00000c", 3},
		{store.Query{Sort: "-id"}, "00000c 00000b 00000a", 3},
		{store.Query{Sort: "name"}, "00000c 00000b 00000a", 3},
		{store.Query{Sort: "-version"}, "00000a 00000b 00000c", 3}, // v10 is newer than v9
		{store.Query{Sort: "-seen"}, "00000b 00000a 00000c", 3},
		{store.Query{Sort: "-group", Limit: 1}, "00000a", 3},
		{store.Query{Sort: "id", Limit: 2}, "00000a 00000b", 3},
		{store.Query{Sort: "id", Limit: 2, Offset: 2}, "00000c", 3},
		{store.Query{Sort: "id", Limit: 2, Offset: 9}, "", 3},
		{store.Query{Search: "SOCK"}, "00000a", 1},
		{store.Query{Search: "café"}, "00000b", 1},
		{store.Query{Search: "100% _ !"}, "00000a", 1},
		{store.Query{Search: "0%k"}, "", 0},
		{store.Query{Search: "0000"}, "00000c 00000b 00000a", 3},
		{store.Query{Search: "canar", Limit: 1}, "00000b", 2},
		{store.Query{IDs: []string{"00000c", "00000a", "00beef"}}, "00000c 00000a", 2},
	} {
		got, err := b.store.Count(b.Context(), c.query)
		b.must(err)
		if ids := b.ids(c.query); ids != c.ids || got != c.total {
			t.Errorf("%+v: %q of %d, want %q of %d", c.query, ids, got, c.ids, c.total)
		}
	}
	if d := b.find(store.Query{Sort: "id", Limit: 1}); len(d[0].Tags) != 2 {
		t.Errorf("tags on a page: %v", d[0].Tags)
	}
	if _, err := b.store.Find(b.Context(), store.Query{Sort: "d.id; --"}); err == nil {
		t.Error("sorted by what is no order")
	}
}

func hasMembers(t *testing.T, b *bench) {
	b.household()
	b.says(now.Add(2*time.Hour), "00000b/status", "OFFLINE")
	members, err := b.store.Members(b.Context())
	b.must(err)
	want := "[{00000a kitchen [canary slow] true} {00000b  [canary] false} {00000c  [] false}]"
	if got := fmt.Sprint(members); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func removes(t *testing.T, b *bench) {
	b.household()
	b.must(b.store.Remove(b.Context(), "00000a"))
	b.open()
	if got := b.ids(store.Query{}); got != "00000c 00000b" {
		t.Errorf("left: %s", got)
	}
	if n := len(b.history(store.HistoryQuery{Device: "00000a"})); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if err := b.store.Remove(b.Context(), "00000a"); !errors.Is(err, store.ErrNoDevice) {
		t.Errorf("once more: %v", err)
	}
	b.household() // it is there again, as a new one
	if d := b.find(store.Query{ID: "00000a"}); len(d) != 1 || time.Since(d[0].FirstSeen) > time.Minute {
		t.Errorf("it comes back as %+v", d)
	}
}
