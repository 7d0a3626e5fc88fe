package repository_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
)

func TestAFeedPassesOnEachChangeOnce(t *testing.T) {
	r, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	publish := func(deviceType, version string, sequence uint32) {
		t.Helper()
		if err := r.Publish(repositorytest.Release(t, deviceType, version, sequence), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	var heard []string
	feed := repository.NewFeed(r, func(p *repository.Published) {
		newest, _ := p.Newest("socket")
		heard = append(heard, newest.Version)
	})
	look := func(want ...string) {
		t.Helper()
		if err := feed.Look(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	}
	look()
	publish("socket", "v1", 1)
	look("v1")
	look("v1")
	publish("button", "b1", 1)
	look("v1", "v1")
	publish("socket", "v2", 2)
	if err := feed.Check("button"); err != nil || len(heard) != 2 {
		t.Errorf("a look for another type: %v, %q", err, heard)
	}
	if err := feed.Check("socket"); err != nil || !slices.Equal(heard, []string{"v1", "v1", "v2"}) {
		t.Errorf("a look for the type: %v, %q", err, heard)
	}
	p := feed.Published()
	if types := p.Types(); !slices.Equal(types, []string{"button", "socket"}) {
		t.Errorf("types %q", types)
	}
	if e, ok := p.Find("socket", "v1"); !ok || e.Sequence != 1 || e.Current {
		t.Errorf("%+v %v", e, ok)
	}
	if _, ok := p.Find("socket", "v9"); ok {
		t.Error("v9 is published")
	}
}

// One damaged release hides no other.
func TestWhatIsDamagedHidesNothing(t *testing.T) {
	r, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, deviceType := range []string{"lamp", "socket", "socket"} {
		version := []string{"v1", "v1", "v2"}[i]
		if err := r.Publish(repositorytest.Release(t, deviceType, version, uint32(i+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.Dir(), "releases/socket/v1/socket.version"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := r.List()
	if err == nil || len(entries) != 2 {
		t.Errorf("%+v, %v", entries, err)
	}
	feed := repository.NewFeed(r)
	if err := feed.Look(); err == nil {
		t.Error("nobody hears of the damage")
	}
	if newest, ok := feed.Published().Newest("socket"); !ok || newest.Version != "v2" {
		t.Errorf("%+v", newest)
	}
	if err := os.RemoveAll(r.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := feed.Look(); err == nil {
		t.Error("nobody hears that the folder is gone")
	}
	if types := feed.Published().Types(); len(types) != 2 {
		t.Errorf("what was published is forgotten: %q", types)
	}
}
