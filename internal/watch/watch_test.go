package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esper/internal/pipeline"
	"esper/internal/repository"
)

// author is a person with a git repository.
type author struct {
	t   *testing.T
	dir string
}

func newAuthor(t *testing.T) *author { return newAuthorOf(t, "sha1") }

// newAuthorOf is newAuthor with a format of objects' names.
func newAuthorOf(t *testing.T, format string) *author {
	a := &author{t, t.TempDir()}
	a.git("init", "--quiet", "--initial-branch=main", "--object-format="+format)
	return a
}

func (a *author) git(args ...string) string {
	a.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits a file of that content and returns the hash.
func (a *author) commit(content string) string {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, "esper.toml"), []byte(content), 0o666); err != nil {
		a.t.Fatal(err)
	}
	a.git("add", ".")
	a.git("commit", "--quiet", "--allow-empty", "-m", content)
	return a.git("rev-parse", "HEAD")
}

// maker makes what a test tells it to, and says what it is at.
type maker struct {
	mu      sync.Mutex
	made    []string      // what esper.toml said, in order
	begin   chan string   // if not nil, what begins
	release chan struct{} // if not nil, waited for
	fails   map[string]error
}

func (m *maker) make(ctx context.Context, making Making) ([]pipeline.Outcome, error) {
	content, err := os.ReadFile(filepath.Join(making.Dir, "esper.toml"))
	if err != nil {
		return nil, err
	}
	if m.begin != nil {
		m.begin <- string(content)
	}
	if m.release != nil {
		select {
		case <-m.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = append(m.made, string(content))
	if err := m.fails[string(content)]; err != nil {
		return nil, err
	}
	return []pipeline.Outcome{{Type: "socket", Version: making.Version.Name, Sequence: making.Version.Sequence}}, nil
}

func newConfig(t *testing.T, source string, m *maker) Config {
	return Config{Data: t.TempDir(), Source: source, Interval: time.Hour, Make: m.make, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// run lets a build server run until the end of the test or until stop is called.
func run(t *testing.T, c Config) (w *Watcher, stop func()) {
	t.Helper()
	w, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return w, stop
}

// expect waits until the builds are in these states, the oldest first.
func expect(t *testing.T, w *Watcher, states ...State) []Build {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		builds, err := List(w.Dir())
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(builds)
		var now []State
		for _, b := range builds {
			now = append(now, b.State)
		}
		if slices.Equal(now, states) {
			return builds
		}
		if time.Now().After(deadline) {
			t.Fatalf("the builds are %v, not %v", now, states)
		}
	}
}

func TestEachNewCommitIsBuilt(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	first := a.commit("one")
	w, _ := run(t, newConfig(t, a.dir, m))
	b := expect(t, w, Published)[0]
	if b.Hash != first || b.Author != "Ada" || b.Subject != "one" || b.Branch != "main" || b.Sequence != 1 ||
		b.Ended.Before(b.Started) || b.Started.Before(b.Queued) || !slices.Equal(b.Released(), []string{"socket"}) {
		t.Errorf("%+v", b)
	}
	w.Look() // nothing new
	a.commit("two")
	w.Look()
	if b := expect(t, w, Published, Published)[1]; b.Sequence != 2 || b.Number != 2 {
		t.Errorf("%+v", b)
	}
	part, err := ReadLog(w.Dir(), 2, 0)
	if err != nil || !part.Ended || !strings.Contains(part.Text, "\nAda: two\n") || !strings.HasSuffix(part.Text, "\npublished\n") {
		t.Errorf("%+v, %v", part, err)
	}
	if rest, err := ReadLog(w.Dir(), 2, part.Next); err != nil || rest.Text != "" || rest.Next != part.Next {
		t.Errorf("%+v, %v", rest, err)
	}
	left, _ := filepath.Glob(filepath.Join(w.Dir(), "checkout-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCommitsThatComeDuringABuildAreSkippedForTheNewestOrBuiltInOrder(t *testing.T) {
	for _, c := range []struct {
		every  bool
		made   []string
		states []State
	}{
		{false, []string{"one", "four"}, []State{Published, Skipped, Published}},
		{true, []string{"one", "two", "three", "four"}, []State{Published, Published, Published, Published}},
	} {
		t.Run(fmt.Sprintf("every %v", c.every), func(t *testing.T) {
			a := newAuthor(t)
			m := &maker{begin: make(chan string, 10), release: make(chan struct{})}
			a.commit("one")
			config := newConfig(t, a.dir, m)
			config.Every = c.every
			w, _ := run(t, config)
			<-m.begin
			a.commit("two")
			w.Look()
			expect(t, w, Running, Queued)
			a.commit("three")
			a.commit("four")
			w.Look()
			if c.every {
				expect(t, w, Running, Queued, Queued, Queued)
			} else {
				expect(t, w, Running, Skipped, Queued)
			}
			close(m.release)
			expect(t, w, c.states...)
			if !slices.Equal(m.made, c.made) {
				t.Errorf("built %v, not %v", m.made, c.made)
			}
		})
	}
}

func TestAFailedBuildIsToldAndNotBuiltAgain(t *testing.T) {
	a := newAuthor(t)
	m := &maker{fails: map[string]error{"bad": errors.New("no such thing: hunter22"), "old": &pipeline.RefusedError{Err: repository.ErrNotNewer}}}
	a.commit("bad")
	config := newConfig(t, a.dir, m)
	make := config.Make
	config.Make = func(ctx context.Context, making Making) ([]pipeline.Outcome, error) {
		making.Log.Hide("hunter22")
		fmt.Fprint(making.Log, "password is hun")
		fmt.Fprintln(making.Log, "ter22")
		return make(ctx, making)
	}
	w, stop := run(t, config)
	b := expect(t, w, Failed)[0]
	if b.Error != "no such thing: (secret)" {
		t.Errorf("%+v", b)
	}
	text, err := os.ReadFile(filepath.Join(w.Dir(), "1", "log"))
	if err != nil || !strings.Contains(string(text), "password is (secret)\n") || strings.Contains(string(text), "hunter") {
		t.Errorf("%s, %v", text, err)
	}
	stop()
	w, _ = run(t, config)
	a.commit("old")
	w.Look()
	expect(t, w, Failed, Refused)
	if !slices.Equal(m.made, []string{"bad", "old"}) {
		t.Errorf("built %v", m.made)
	}
}

func TestABranchThatGoesBackIsToldAsSuch(t *testing.T) {
	a := newAuthor(t)
	m := &maker{fails: map[string]error{}}
	first := a.commit("one")
	second := a.commit("two")
	w, _ := run(t, newConfig(t, a.dir, m))
	expect(t, w, Published)
	m.fails["one"] = &pipeline.RefusedError{Err: fmt.Errorf("publish socket: %w: 1, published is %s with 2", repository.ErrNotNewer, second[:8])}
	a.git("reset", "--quiet", "--hard", first)
	w.Look()
	b := expect(t, w, Published, Refused)[1]
	for _, want := range []string{"went back from " + second[:8] + " to " + first[:8], ": 1, published is " + second[:8] + " with 2", "commit on top"} {
		if !strings.Contains(b.Error, want) {
			t.Errorf("%q does not say %q", b.Error, want)
		}
	}
	a.commit("three")
	w.Look()
	expect(t, w, Published, Refused, Published)
}

func TestAnInterruptedBuildBeginsAgain(t *testing.T) {
	a := newAuthor(t)
	m := &maker{begin: make(chan string, 10), release: make(chan struct{})}
	a.commit("one")
	config := newConfig(t, a.dir, m)
	w, stop := run(t, config)
	<-m.begin
	stop()
	expect(t, w, Interrupted)
	close(m.release)
	w, stop = run(t, config)
	if b := expect(t, w, Published)[0]; b.Attempt != 1 {
		t.Errorf("%+v", b)
	}
	stop()

	// Killed: it is still said to run. One that kills the server every time is given up.
	for attempt := 1; ; attempt++ {
		b, err := Read(w.Dir(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if attempt == maxAttempts+1 {
			if b.State != Failed || b.Error == "" {
				t.Errorf("%+v", b)
			}
			break
		}
		b.State = Running
		if err := folder(w.Dir()).save(&b); err != nil {
			t.Fatal(err)
		}
		if w, err = Open(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		if n := w.builds[0]; n.Attempt != attempt+1 || n.State != Queued && attempt < maxAttempts {
			t.Errorf("after kill %d: %+v", attempt, n)
		}
		if err := errors.Join(w.saved(w.builds[0]), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABuildThatDoesNotEndFails(t *testing.T) {
	a, m := newAuthor(t), &maker{release: make(chan struct{})}
	a.commit("one")
	w, err := Open(t.Context(), newConfig(t, a.dir, m))
	if err != nil {
		t.Fatal(err)
	}
	w.time = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	if b := expect(t, w, Failed)[0]; b.Error != "it was not done in 1ms" {
		t.Errorf("%+v", b)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What others wrote is shown in a terminal: a commit's subject, the source that a compiler
// quotes, a device's serial line.
func TestWhatATerminalWouldObeyIsNotShown(t *testing.T) {
	a, m := newAuthor(t), &maker{fails: map[string]error{}}
	a.commit("one")
	evil := "\x1b[2J\x1b]0;x\a\u009b1m\u202e"
	m.fails["one"] = errors.New("a\tb" + evil)
	a.git("commit", "--quiet", "--amend", "-m", "a"+evil+"\tb")
	w, _ := run(t, newConfig(t, a.dir, m))
	b := expect(t, w, Failed)[0]
	part, err := ReadLog(w.Dir(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{b.Subject, b.Error, part.Text} {
		if strings.ContainsAny(text, "\x1b\a\u009b\u202e") || !strings.Contains(text, "\ufffd") {
			t.Errorf("%q", text)
		}
	}
	if !strings.Contains(b.Error, "a\tb") {
		t.Errorf("%q", b.Error)
	}
}

func TestOnlyOneBuildsInAFolder(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	a.commit("one")
	config := newConfig(t, a.dir, m)
	run(t, config)
	if _, err := Open(t.Context(), config); !errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
}

func TestACommitOfTheBranchIsBuiltOnRequestAndNoOther(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	first := a.commit("one")
	a.commit("two")
	w, _ := run(t, newConfig(t, a.dir, m))
	expect(t, w, Published)
	if b, err := w.Request(t.Context(), first[:10]); err != nil || b.Hash != first || !b.Requested || b.Number != 2 {
		t.Errorf("%+v, %v", b, err)
	}
	if b, err := w.Request(t.Context(), ""); err != nil || b.Subject != "two" {
		t.Errorf("%+v, %v", b, err)
	}
	expect(t, w, Published, Published, Published)
	a.git("checkout", "--quiet", "-b", "other")
	other := a.commit("other")
	for _, commit := range []string{other, strings.Repeat("0", 40), "main", "--help"} {
		if _, err := w.Request(t.Context(), commit); commit != "main" && !errors.Is(err, ErrNotFollowed) {
			t.Errorf("%s: %v", commit, err)
		}
	}
	a.commit("more")
	w.Look() // the branch that was followed first stays it
	if b, err := w.Request(t.Context(), ""); err != nil || b.Subject != "two" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestACheckoutHoldsTheCommitAndNothingLeadsOutOfIt(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	for link, want := range map[string]string{"inside": "", "/etc/passwd": "leads out of it", "../..": "leads out of it", "nowhere": "leads nowhere"} {
		os.WriteFile(filepath.Join(a.dir, "inside"), []byte("x"), 0o666)
		os.Remove(filepath.Join(a.dir, "link"))
		if err := os.Symlink(link, filepath.Join(a.dir, "link")); err != nil {
			t.Fatal(err)
		}
		a.commit("link to " + link)
		config := newConfig(t, a.dir, m)
		state := Published
		if want != "" {
			state = Failed
		}
		w, stop := run(t, config)
		if b := expect(t, w, state)[0]; !strings.Contains(b.Error, want) {
			t.Errorf("%s: %q", link, b.Error)
		}
		stop()
	}
}

func TestOldBuildsAreRemoved(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	a.commit("one")
	w, stop := run(t, newConfig(t, a.dir, m))
	expect(t, w, Published)
	stop()
	w.kept = 3
	for range 5 {
		w.builds[0].State = Published
		if _, err := w.Request(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.builds[len(w.builds)-1].State = Published
	}
	builds, err := List(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, b := range builds {
		numbers = append(numbers, b.Number)
	}
	if !slices.Equal(numbers, []int{6, 5, 1}) { // the first says where to go on
		t.Errorf("%v", numbers)
	}
}
