package repository_test

import (
	"fmt"
	"testing"

	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
)

func TestTheListNamesWhatIsKept(t *testing.T) {
	r, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := r.List(); err != nil || len(entries) != 0 {
		t.Errorf("an empty one: %v, %v", entries, err)
	}
	for i, hash := range []string{"v0", "v1", "d2", "a3", "f4", "b5", "c6"} { // two more than are kept
		if err := r.Publish(repositorytest.Release(t, "socket", hash, uint32(i+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish(repositorytest.Release(t, "button", "b1", 9), repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	entries, err := r.List()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range entries {
		got += fmt.Sprintf("%s %s %d %v; ", e.Type, e.Version, e.Sequence, e.Current)
	}
	want := "button b1 9 true; socket c6 7 true; socket b5 6 false; socket f4 5 false; socket a3 4 false; socket d2 3 false; "
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
