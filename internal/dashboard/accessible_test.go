package dashboard_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/renameio/v2"

	"esper/internal/access"
)

// The checker of accessibility rules, as npm has it, pinned by the SHA-512 of the package.
const (
	axePackage = "axe-core@4.14.1"
	axeArchive = "axe-core-4.14.1.tgz"
	axeHash    = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
	axeScript  = "package/axe.min.js"
)

// axe returns the checker's script. The package is kept in the user's cache; where it is not,
// and cannot be fetched, the test is skipped: that is no fault of the pages.
func axe(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(cache, "esper", axeArchive)
	archive, err := os.ReadFile(kept)
	if err != nil {
		if archive, err = fetchAxe(t); err != nil {
			t.Skipf("the checker of accessibility rules cannot be had: %v", err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o777), renameio.WriteFile(kept, archive, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha512.Sum512(archive)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != axeHash {
		t.Fatalf("%s has the SHA-512 %s, not %s; is it %s? remove it", kept, got, axeHash, axePackage)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if err != nil {
			t.Fatalf("%s: no %s: %v", kept, axeScript, err)
		}
		if header.Name == axeScript {
			script, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return string(script)
		}
	}
}

// fetchAxe has npm fetch the package, of which nothing is run.
func fetchAxe(t testing.TB) ([]byte, error) {
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", dir, axePackage)
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w: %s", axePackage, err, out)
	}
	return os.ReadFile(filepath.Join(dir, axeArchive))
}

// Nothing on any page is against the rules of WCAG 2.2, A and AA, that a program can check.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	script := axe(t)
	w := room(t)
	w.says("00c002", "update/status", `{"state":"rolled-back","version":"v2","progress":100,"error":"not-confirmed"}`)
	if err := w.server.Conductor().Approve(t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	b := open(t, w.url())
	check := func(what string) {
		t.Helper()
		eval[bool](b, script+"; true")
		for i, size := range []int64{1280, 360} {
			for j, scheme := range []string{"light", "dark"} {
				b.size(size, 800)
				b.scheme(scheme)
				rules := `{ type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }`
				if i != j { // the other rules do not depend on both
					rules = `{ type: "rule", values: ["color-contrast"] }`
				}
				for _, found := range eval[[]string](b, `axe.run(document, { runOnly: `+rules+`, resultTypes: ["violations"] }).then((r) =>
					r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + " " + n.failureSummary)))`) {
					t.Errorf("%s, %s, %d px: %s", what, scheme, size, found)
				}
			}
		}
	}
	for _, path := range []string{"/", "/?by=type", "/devices/00c001", "/devices/00c002", "/releases", "/rollouts/socket", "/builds", "/devices/00beef"} {
		b.visit(path)
		check(path)
	}
	b.visit("/devices/00c001")
	b.click("Name…")
	check("a dialog")
	b.visit("/rollouts/socket")
	b.click("Everywhere now")
	check("a dialog that warns")
	b.base = buildServer(t).url()
	b.visit("/builds/2")
	b.says("What went wrong")
	check("a build")
	b.visit("/builds")
	check("builds")
	b.from("192.168.1.5")
	b.base = w.url()
	b.visit("/")
	b.says("answers only its own machine")
	check("the page of a server that is not open yet")
	w.token("ada", access.Operator)
	b.visit("/")
	b.signIn("esper_wrong")
	b.says("not known to the server")
	check("the sign-in")
	if !eval[bool](b, `(document.getElementById("main").append(new Image()), axe.run().then((r) => r.violations.some((v) => v.id === "image-alt")))`) {
		t.Error("the checker finds nothing where there is something")
	}
	b.fine()
}
