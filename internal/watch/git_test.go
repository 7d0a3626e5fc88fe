package watch

import (
	"path/filepath"
	"testing"
)

func TestWhatGitSaysIsToldInOneLine(t *testing.T) {
	r, err := openMirror(t.Context(), filepath.Join(t.TempDir(), "site.git"), "")
	if err != nil {
		t.Fatal(err)
	}
	const want = "git ls-remote: fatal: '/nowhere/site.git' does not appear to be a git repository"
	if _, err := r.fetch(t.Context(), "/nowhere/site.git", ""); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
