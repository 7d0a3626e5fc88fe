package watch

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// pushed is a build server that is pushed to, and the URL of its repository.
func pushed(t *testing.T, m *maker) (*Watcher, string) { return pushedTo(t, newConfig(t, "", m)) }

// pushedTo is pushed with a configuration.
func pushedTo(t *testing.T, c Config) (*Watcher, string) {
	w, _ := run(t, c)
	handler, err := w.Push()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return w, server.URL + PushPath + "site.git"
}

// tryPush pushes, and returns what git says if it fails.
func (a *author) tryPush(args ...string) string {
	cmd := exec.Command("git", append([]string{"push", "--quiet"}, args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return string(out) + err.Error()
	}
	return ""
}

func TestWhatIsPushedIsBuiltIfItIsTheBranch(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	w, url := pushed(t, m)
	a.commit("one")
	if said := a.tryPush(url, "main:other"); said != "" {
		t.Fatal(said)
	}
	expect(t, w) // nothing
	if said := a.tryPush(url, "main"); said != "" {
		t.Fatal(said)
	}
	expect(t, w, Published)

	// Larger than git sends in one piece, so that the length is not known before.
	noise := make([]byte, 3<<20)
	rand.Read(noise)
	if err := os.WriteFile(filepath.Join(a.dir, "noise"), noise, 0o666); err != nil {
		t.Fatal(err)
	}
	a.commit("two")
	if said := a.tryPush(url, "main"); said != "" {
		t.Fatal(said)
	}
	expect(t, w, Published, Published)
	if said := a.tryPush(w.repo.Dir, "main~1:main", "--force"); said != "" { // as a folder
		t.Fatal(said)
	}
	w.Look()
	expect(t, w, Published, Published, Published)

	clone := filepath.Join(t.TempDir(), "clone")
	a.git("clone", "--quiet", url, clone)
	if content, err := os.ReadFile(filepath.Join(clone, "esper.toml")); err != nil || string(content) != "one" {
		t.Errorf("%s, %v", content, err)
	}
}

func TestTheAuthorOfAPushIsToldWhatBecomesOfIt(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	w, url := pushed(t, m)
	push := func(args ...string) string { return a.git(append([]string{"push"}, args...)...) }
	told := func(said, want string) {
		t.Helper()
		if !strings.Contains(said, "remote: esper: "+want) {
			t.Errorf("%s", said)
		}
	}
	hash := a.commit("one")[:8]
	told(push(url, "main:other"), "nothing is built: there is no branch main")
	told(push(url, "main"), hash+" of main is build 1, ")
	expect(t, w, Published)
	told(push(url, "main:third"), "nothing is new: "+hash+" of main was build 1, published")
}

func TestAPushThatIsTooLargeIsRefused(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	w, url := pushed(t, m)
	noise := make([]byte, 100_000)
	rand.Read(noise)
	if err := os.WriteFile(filepath.Join(a.dir, "noise"), noise, 0o666); err != nil {
		t.Fatal(err)
	}
	a.commit("one")
	if _, err := w.repo.Run(t.Context(), "config", "receive.maxInputSize", "50000"); err != nil {
		t.Fatal(err)
	}
	if said := a.tryPush(url, "main"); !strings.Contains(said, "exceeds maximum allowed size") {
		t.Errorf("%s", said)
	}
	answer, err := http.Post(url+"/git-receive-pack", "application/x-git-receive-pack-request", io.LimitReader(zeros{}, maxPushBody+1))
	if err == nil { // or it hangs up before all is sent
		answer.Body.Close()
		if answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s", answer.Status)
		}
	}
	expect(t, w)
}

func TestNothingButTheRepositoryIsServed(t *testing.T) {
	w, url := pushed(t, &maker{})
	if err := os.WriteFile(filepath.Join(w.config.Data, "secret"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(url, "site.git")
	for _, path := range []string{"", "site.git", "other.git/info/refs", "site.git/../../secret", "site.git/%2e%2e/%2e%2e/secret", "site.git/..%2f..%2fsecret", "site.git/config"} {
		q, err := http.NewRequest(http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultTransport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}
