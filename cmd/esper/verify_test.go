package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/release"
	"esper/internal/repository"
	"esper/internal/repository/repositorytest"
)

// verified returns what verify prints about a folder, and its error.
func verified(t *testing.T, dir string, asJSON bool) (string, error) {
	t.Helper()
	types, err := release.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	keys := []ed25519.PublicKey{repositorytest.Key.Public().(ed25519.PublicKey)}
	var verdicts []verdict
	for _, deviceType := range types {
		verdicts = append(verdicts, judge(dir, deviceType, keys))
	}
	var out bytes.Buffer
	c := verifyCommand{JSON: asJSON}
	if err := c.print(&streams{out: &output{to: &out}}, verdicts); err != nil {
		t.Fatal(err)
	}
	return out.String(), invalid("out", verdicts)
}

func TestVerifyAppliesTheDeltasOfARepository(t *testing.T) {
	r, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{"v1", "v2", "v3"} {
		if err := r.Publish(repositorytest.Relocatable(t, "socket", version, uint32(i+1)), repository.Allow{}); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(r.Dir(), "releases", "socket", "v3")
	for _, dir := range []string{r.Dir(), folder} {
		if out, err := verified(t, dir, false); err != nil || !strings.Contains(out, "3         verified, 4 deltas\n") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	out, err := verified(t, r.Dir(), true)
	var verdicts []verdict
	if err != nil || json.Unmarshal([]byte(out), &verdicts) != nil || len(verdicts[0].Deltas) != 4 ||
		verdicts[0].Deltas[0].File != "socket.v1.delta0" || !verdicts[0].Deltas[0].Applied {
		t.Errorf("%v\n%s", err, out)
	}

	// A copy of the folder: what the deltas are from is not there.
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	out, err = verified(t, copied, false)
	if err != nil || !strings.Contains(out, "verified, 4 deltas (4 not tried: the releases that they are from are not here)\n") {
		t.Errorf("%v\n%s", err, out)
	}

	// A damaged delta.
	path := filepath.Join(folder, "socket.v2.delta1")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[4] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = verified(t, r.Dir(), false)
	bad, told := new(invalidError), new(hintError)
	if !errors.As(err, &bad) || err.Error() != "out: damaged deltas: socket.v2.delta1" || !errors.As(err, &told) ||
		!strings.Contains(told.hint, "publish the release again") || !strings.Contains(out, "verified, 4 deltas; socket.v2.delta1: it is from the image ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _ = verified(t, r.Dir(), true)
	if !strings.Contains(out, `"verified": true`) || !strings.Contains(out, `"error": "it is from the image `) {
		t.Errorf("%s", out)
	}
	current, err := r.Current("socket")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(current, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	if out, err := verified(t, r.Dir(), false); err != nil {
		t.Errorf("published again: %v\n%s", err, out)
	}
}

// A folder with deltas can be published like any other; they are not taken along.
func TestAFolderWithDeltasCanBePublished(t *testing.T) {
	from := t.TempDir()
	if err := repositorytest.Release(t, "socket", "v1", 1).Write(from); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"socket.v0.delta0", "socket.version.delta1", "lamp.v0.delta0"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte("ESPd"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	releases, err := readReleases(from, nil, []ed25519.PublicKey{repositorytest.Key.Public().(ed25519.PublicKey)})
	if err != nil || len(releases) != 1 {
		t.Fatalf("%d releases, %v", len(releases), err)
	}
	r, err := repository.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publishReleases(r, releases, repository.Allow{}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(r.Dir(), "releases/socket/v1/*"))
	if err != nil || len(files) != 3 {
		t.Errorf("%q, %v", files, err)
	}
}
