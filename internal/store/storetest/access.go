package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/store"
)

func keepsTokens(t *testing.T, b *bench) {
	ctx := t.Context()
	_, ada, err := access.NewToken("ada", access.Operator, now, now.AddDate(0, 0, 90))
	b.must(err)
	_, ci, err := access.NewToken("ci", access.Publisher, now, time.Time{})
	b.must(err)
	b.must(b.store.AddToken(ctx, ci, "root"))
	b.must(b.store.AddToken(ctx, ada, "root"))
	_, other, err := access.NewToken("ada", access.Viewer, now, time.Time{})
	b.must(err)
	if err := b.store.AddToken(ctx, other, "root"); !errors.Is(err, access.ErrExists) {
		t.Errorf("added twice: %v", err)
	}
	other = ada
	other.Name = "eve"
	if err := b.store.AddToken(ctx, other, "root"); !errors.Is(err, access.ErrExists) {
		t.Errorf("the same token under two names: %v", err)
	}
	for _, at := range []time.Time{now.Add(time.Hour), now} { // the later one stays
		b.must(b.store.UseToken(ctx, "ci", at))
	}
	b.must(b.store.UseToken(ctx, "nobody", now))
	ci.Used = now.Add(time.Hour)

	b.open()
	expect := func(want ...access.Token) {
		t.Helper()
		tokens, err := b.store.Tokens(ctx)
		b.must(err)
		if len(tokens) != len(want) || len(want) > 0 && !reflect.DeepEqual(tokens, want) {
			t.Errorf("tokens %s, want %s", show(tokens), show(want))
		}
	}
	expect(ada, ci)
	b.must(b.store.RemoveToken(ctx, "ada", "root"))
	expect(ci)
	if err := b.store.RemoveToken(ctx, "ada", "root"); !errors.Is(err, access.ErrNoToken) {
		t.Errorf("removed twice: %v", err)
	}

	var log string
	entries, err := b.store.AuditLog(ctx, access.AuditQuery{})
	b.must(err)
	for _, e := range entries {
		log += fmt.Sprintf("%s %s %s %s %s|", e.Who, e.Role, e.Action, e.Target, e.Detail)
	}
	if want := "root database add-token ci publisher|root database add-token ada operator until 2026-04-02T03:04:05Z|" +
		"root database remove-token ada |"; log != want {
		t.Errorf("audit log %s, want %s", log, want)
	}
}

func keepsAudit(t *testing.T, b *bench) {
	ctx := t.Context()
	var all []access.Entry
	for i := range 10 {
		e := access.Entry{
			At: now.AddDate(0, 0, i), Who: "ada", Role: access.Operator, Remote: "192.168.1.5", Action: "pin-device",
			Target: "00c0de", Detail: `{"version":"v1"}`, Status: 200,
		}
		if i%2 == 1 {
			e = access.Entry{At: e.At, Remote: "10.0.0.1", Action: "POST /api/x", Status: 401}
		}
		b.must(b.store.Audit(ctx, e))
		all = append(all, e)
	}
	read := func(q access.AuditQuery) []access.Entry {
		t.Helper()
		entries, err := b.store.AuditLog(ctx, q)
		b.must(err)
		return entries
	}
	if got := read(access.AuditQuery{}); !reflect.DeepEqual(got, all) {
		t.Errorf("all: %s", show(got))
	}
	if got := read(access.AuditQuery{Since: all[3].At, Limit: 2}); !reflect.DeepEqual(got, all[8:]) {
		t.Errorf("the newest two: %s", show(got))
	}
	if got := read(access.AuditQuery{Since: all[8].At, Limit: 5}); !reflect.DeepEqual(got, all[8:]) {
		t.Errorf("since then: %s", show(got))
	}
	keep := store.Keep(now.AddDate(1, 0, 2)) // the first two are over a year old then
	keep.Refused = 2
	n, err := b.store.Prune(ctx, keep)
	b.must(err)
	want := []access.Entry{all[2], all[4], all[6], all[7], all[8], all[9]}
	if got := read(access.AuditQuery{}); n != 4 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d removed, left: %s", n, show(got))
	}
	keep.Refused = 0 // none at all
	_, err = b.store.Prune(ctx, keep)
	b.must(err)
	if got := read(access.AuditQuery{}); len(got) != 4 {
		t.Errorf("left: %s", show(got))
	}
}

func keepsDeviceLogins(t *testing.T, b *bench) {
	ctx := t.Context()
	password := func(made, used time.Time) access.DevicePassword {
		_, hash := access.NewDevicePassword()
		return access.DevicePassword{DeviceHash: hash, Made: made, Used: used}
	}
	later := now.Add(time.Hour)
	used := access.DeviceLogin{ID: "00c0de", Passwords: []access.DevicePassword{
		password(now, later), password(later, time.Time{}), password(now, time.Time{}), // the order is not that of their times
	}}
	revoked := access.DeviceLogin{ID: "beef00", Revoked: later}
	both := access.DeviceLogin{ID: "aaaaaa", Revoked: now, Passwords: []access.DevicePassword{password(now, time.Time{})}}
	expect := func(want ...access.DeviceLogin) {
		t.Helper()
		logins, err := b.store.DeviceLogins(ctx)
		b.must(err)
		if len(logins) != len(want) || len(want) > 0 && !reflect.DeepEqual(logins, want) {
			t.Errorf("logins %s, want %s", show(logins), show(want))
		}
	}
	expect()
	for _, l := range []access.DeviceLogin{used, revoked, both} {
		b.must(b.store.SaveDeviceLogin(ctx, l))
	}
	expect(used, both, revoked)
	used.Passwords = used.Passwords[1:]
	used.Revoked = later
	for range 2 { // the same again changes nothing
		b.must(b.store.SaveDeviceLogin(ctx, used))
	}
	b.open()
	expect(used, both, revoked)

	// A device that is forgotten is let in no more than before.
	b.says(now, "beef00/status", "ONLINE")
	b.must(b.store.Remove(ctx, "beef00"))
	expect(used, both, revoked)
	for _, id := range []string{"00c0de", "beef00", "000000"} {
		b.must(b.store.SaveDeviceLogin(ctx, access.DeviceLogin{ID: id}))
	}
	expect(both)
}
