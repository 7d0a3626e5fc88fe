// Package watch is the build server: it follows a branch of a site's git repository and makes
// a build of each new commit, one after the other. What a build does is the caller's.
//
// # The folder
//
//	git/site.git          the build server's own repository
//	builds/lock           held by the one who builds
//	builds/12/build.json  what is known of a build: the queue, too
//	builds/12/log         whole lines, and it grows while the build runs
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"esper/internal/pipeline"
	"esper/internal/site"
)

// Config is how a build server is set up.
type Config struct {
	Data   string // folder, of which it uses git and builds
	Source string // what to fetch: a path or a URL; empty: it is pushed to
	Branch string // empty: what the source's HEAD names when it is first fetched, or main
	Folder string // of the site in the repository; empty: the repository is the site
	// Every builds every commit on the first-parent line, in order; else the newest is
	// built and those are skipped that came before it meanwhile.
	Every    bool
	Interval time.Duration // between two looks at the source
	// Make makes releases of the site that is checked out in a folder.
	Make func(ctx context.Context, m Making) ([]pipeline.Outcome, error)
	Log  *slog.Logger
}

// Making is what a build is made of.
type Making struct {
	Dir     string // the site, checked out clean; it is removed afterwards
	Version site.Version
	Log     *Log
}

// ErrLocked says that another process builds in this folder.
var ErrLocked = errors.New("another build server is at work in this folder")

// Watcher is a build server. Its methods can be called at the same time.
type Watcher struct {
	// Changed is called with each build that has come further, if it is set before Run. It
	// must not call the watcher.
	Changed func(Build)

	config Config
	log    *slog.Logger
	repo   *mirror
	lock   *os.File
	kept   int           // builds whose folders stay
	time   time.Duration // that a build may take
	look   chan struct{} // holds one when it is to look now
	wake   chan struct{} // holds one when something was queued

	looking sync.Mutex // one at a time, or an older head could be taken for a newer one

	mu     sync.Mutex
	builds []*Build // the oldest first
	branch string   // as it is known
	unborn bool     // there is no such branch
	told   string   // the branches that were last said not to be followed
}

// Limits on builds.
const (
	maxKept     = 200              // builds whose folders stay
	maxAttempts = 3                // that the process did not survive
	maxTime     = 30 * time.Minute // for a build; a compiler can be made to compute without end
)

// Open gets a build server ready. Builds that the last process left behind are queued again.
func Open(ctx context.Context, c Config) (*Watcher, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return nil, err
	}
	c.Data = data
	w := &Watcher{config: c, log: c.Log, kept: maxKept, time: maxTime, look: make(chan struct{}, 1), wake: make(chan struct{}, 1), branch: c.Branch}
	dir := BuildsDir(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if w.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(w.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		w.lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if w.repo, err = openMirror(ctx, filepath.Join(data, "git", "site.git")); err == nil {
		err = w.load()
	}
	if err != nil {
		w.lock.Close()
		return nil, err
	}
	return w, nil
}

// Close lets others build in the folder. It is for a build server that does not run.
func (w *Watcher) Close() error { return w.lock.Close() }

// Dir is the folder with the builds.
func (w *Watcher) Dir() string { return BuildsDir(w.config.Data) }

func (w *Watcher) folder() folder { return folder(w.Dir()) }

// load reads the builds and queues again what was interrupted.
func (w *Watcher) load() error {
	builds, err := List(w.Dir())
	if err != nil {
		return err
	}
	for _, b := range slices.Backward(builds) {
		w.builds = append(w.builds, &b)
		if b.State != Running && b.State != Interrupted {
			continue
		}
		if b.State == Running { // it was killed
			if b.Attempt++; b.Attempt > maxAttempts {
				b.State, b.Ended = Failed, time.Now()
				b.Error = fmt.Sprintf("the server was killed while it built this, %d times", maxAttempts)
				w.log.Error("a build is given up", "build", b.Number, "error", b.Error)
			} else {
				b.State = Interrupted
			}
		}
		if b.State == Interrupted {
			w.log.Warn("a build was interrupted: it begins again", "build", b.Number, "commit", b.Hash[:8])
			b.State = Queued
		}
		if err := w.save(&b); err != nil {
			return err
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(w.Dir(), "checkout-*"))
	for _, dir := range leftovers {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// Look makes the build server look for new commits now. It does not wait.
func (w *Watcher) Look() { signal(w.look) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run follows and builds until the context ends. A build that is under way then is interrupted.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.lock.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	backOff := w.follow(ctx, 0) // first, so that what is queued is skipped if there is something newer
	following := make(chan struct{})
	go func() {
		defer close(following)
		for {
			timer := time.NewTimer(jitter(w.config.Interval + backOff))
			select {
			case <-w.look:
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			backOff = w.follow(ctx, backOff)
		}
	}()
	var err error
	for err == nil {
		b := w.next()
		if b == nil {
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		err = w.build(ctx, b)
		if tidy := w.repo.tidy(ctx); tidy != nil && ctx.Err() == nil {
			w.log.Warn("the build server's repository cannot be tidied up", "error", tidy)
		}
	}
	stop()
	<-following
	return err
}

// jitter varies a time by a tenth, so that not all servers ask at once.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// maxBackOff is the longest time that an unreachable source is left alone in addition.
const maxBackOff = 10 * time.Minute

// follow looks once. It returns how much longer than usual to wait, and tells once that it
// cannot look.
func (w *Watcher) follow(ctx context.Context, backOff time.Duration) time.Duration {
	err := w.lookNow(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil && backOff == 0:
		w.log.Error("the site's repository cannot be followed; it is tried again", "error", err)
		return w.config.Interval
	case err != nil:
		return min(2*backOff, maxBackOff)
	case backOff > 0:
		w.log.Info("the site's repository can be followed again")
	}
	return 0
}

// lookNow fetches, and queues what is new.
func (w *Watcher) lookNow(ctx context.Context) error {
	w.looking.Lock()
	defer w.looking.Unlock()
	branch := w.config.Branch
	if w.config.Source != "" {
		var err error
		if branch, err = w.repo.fetch(ctx, w.config.Source, branch); err != nil {
			return err
		}
	} else if branch == "" {
		branch = "main"
	}
	head, err := w.repo.head(ctx, branch)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.branch, w.unborn = branch, head == ""
	if w.unborn {
		return w.tellOther(ctx, branch)
	}
	last := w.lastFollowed()
	if last != nil && last.Hash == head {
		return nil
	}
	commits, back := []string{head}, ""
	switch {
	case last == nil:
	case !w.repo.holds(ctx, last.Hash, head):
		back = last.Hash
	case w.config.Every:
		if commits, err = w.repo.between(ctx, last.Hash, head); err != nil {
			return err
		}
	}
	var queued []*Build
	for _, hash := range commits {
		c, err := w.repo.commit(ctx, hash)
		if err != nil {
			return err
		}
		queued = append(queued, &Build{Commit: c, Branch: branch, Back: back})
	}
	if !w.config.Every {
		if err := w.skip(); err != nil {
			return err
		}
	}
	for _, b := range queued {
		if err := w.queue(b); err != nil {
			return err
		}
	}
	return nil
}

// tellOther tells once for each set of branches that none of them is followed.
func (w *Watcher) tellOther(ctx context.Context, branch string) error {
	others, err := w.repo.branches(ctx)
	if told := strings.Join(others, " "); err == nil && told != w.told {
		w.told = told
		w.log.Warn("there is no such branch, so nothing is built; --branch names another", "branch", branch, "there_are", others)
	}
	return err
}

// lastFollowed is the newest build of a commit that came by itself.
func (w *Watcher) lastFollowed() *Build {
	for _, b := range slices.Backward(w.builds) {
		if !b.Requested {
			return b
		}
	}
	return nil
}

// skip skips what came by itself and waits.
func (w *Watcher) skip() error {
	for _, b := range w.builds {
		if b.State == Queued && !b.Requested {
			b.State, b.Ended = Skipped, time.Now()
			if err := w.save(b); err != nil {
				return err
			}
			w.log.Info("skipped for a newer commit", "build", b.Number, "commit", b.Hash[:8])
		}
	}
	return nil
}

// queue gives a build its number and queues it.
func (w *Watcher) queue(b *Build) error {
	b.Number, b.State, b.Attempt, b.Queued, b.Types = 1, Queued, 1, time.Now(), []pipeline.Outcome{}
	if n := len(w.builds); n > 0 {
		b.Number = w.builds[n-1].Number + 1
	}
	if err := w.save(b); err != nil {
		return err
	}
	w.builds = append(w.builds, b)
	w.log.Info("queued", "build", b.Number, "commit", b.Hash[:8], "subject", b.Subject)
	signal(w.wake)
	return w.prune()
}

// prune removes the oldest builds that are at their end, but never the one that says where to
// go on.
func (w *Watcher) prune() error {
	last := w.lastFollowed()
	for i := 0; len(w.builds) > w.kept && i < len(w.builds); {
		b := w.builds[i]
		if b == last || !b.State.Ended() {
			i++
			continue
		}
		if err := os.RemoveAll(w.folder().of(b.Number)); err != nil {
			return err
		}
		w.builds = slices.Delete(w.builds, i, i+1)
	}
	return nil
}

// ErrNotFollowed says that a commit is not one of the followed branch.
var ErrNotFollowed = errors.New("the branch that is followed has no such commit")

// Request queues a build of a commit of the branch, named by its whole hash or the beginning,
// or of its newest; [ErrNotFollowed].
func (w *Watcher) Request(ctx context.Context, commit string) (Build, error) {
	w.mu.Lock()
	branch := w.branch
	w.mu.Unlock()
	head, err := w.repo.head(ctx, branch)
	if err != nil {
		return Build{}, err
	}
	if commit == "" {
		commit = head
	}
	c, err := w.repo.commit(ctx, commit)
	if err != nil || head == "" || !w.repo.holds(ctx, c.Hash, head) {
		return Build{}, fmt.Errorf("%w: %q in %q", ErrNotFollowed, commit, branch)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &Build{Commit: c, Branch: branch, Requested: true}
	if err := w.queue(b); err != nil {
		return Build{}, err
	}
	return *b, nil
}

// next takes the build whose turn it is, and marks it as running.
func (w *Watcher) next() *Build {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.builds {
		if b.State == Queued {
			b.State, b.Started = Running, time.Now()
			return b
		}
	}
	return nil
}

// build runs one build. Its failure is no error; only when it cannot be written down is there one.
func (w *Watcher) build(ctx context.Context, b *Build) error {
	if err := w.saved(b); err != nil {
		return err
	}
	log, err := openLog(filepath.Join(w.folder().of(b.Number), logFile))
	if err != nil {
		return err
	}
	if b.Attempt > 1 {
		fmt.Fprintf(log, "the server ended meanwhile; attempt %d\n", b.Attempt)
	}
	fmt.Fprintf(log, "build %d: commit %s, sequence %d, branch %s\n%s: %s\n", b.Number, b.Hash, b.Sequence, b.Branch, b.Author, b.Subject)
	limited, cancel := context.WithTimeoutCause(ctx, w.time, fmt.Errorf("it was not done in %v", w.time))
	defer cancel()
	outcomes, err := w.make(limited, b, log)
	if err != nil && limited.Err() != nil {
		err = context.Cause(limited)
	}

	w.mu.Lock()
	b.Types = append([]pipeline.Outcome{}, outcomes...)
	b.Ended, b.State = time.Now(), Unchanged
	if len(b.Released()) > 0 {
		b.State = Published
	}
	if err != nil {
		b.State, b.Error = Failed, log.Clean(w.explain(b, err))
		var refused *pipeline.RefusedError
		if errors.As(err, &refused) {
			b.State = Refused
		}
		if ctx.Err() != nil {
			b.State, b.Error, b.Ended = Interrupted, "", time.Time{}
		}
	}
	state, took := b.State, time.Since(b.Started).Round(time.Millisecond)
	w.mu.Unlock()

	if b.Error != "" {
		fmt.Fprintf(log, "error: %s\n", b.Error)
	}
	fmt.Fprintf(log, "%s\n", state)
	err = errors.Join(log.Close(), w.saved(b))
	switch state {
	case Failed, Refused:
		w.log.Error("nothing new is released", "build", b.Number, "commit", b.Hash[:8], "state", state, "error", b.Error,
			"log", filepath.Join(w.folder().of(b.Number), logFile))
	default:
		w.log.Info(string(state), "build", b.Number, "commit", b.Hash[:8], "took", took)
	}
	return err
}

// save writes down a build, and tells of it.
func (w *Watcher) save(b *Build) error {
	err := w.folder().save(b)
	if err == nil && w.Changed != nil {
		w.Changed(*b)
	}
	return err
}

// saved is save for who does not hold the lock.
func (w *Watcher) saved(b *Build) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.save(b)
}

// explain adds to an error that the branch went back, where that is the reason.
func (w *Watcher) explain(b *Build, err error) string {
	if b.Back == "" || !pipeline.IsNotNewer(err) {
		return err.Error()
	}
	return fmt.Sprintf("the branch went back from %s to %s, and devices do not: %v: commit on top of what is published", b.Back[:8], b.Hash[:8], err)
}

// make checks a commit out and makes releases of it.
func (w *Watcher) make(ctx context.Context, b *Build, log *Log) ([]pipeline.Outcome, error) {
	dir, err := os.MkdirTemp(w.Dir(), "checkout-"+strconv.Itoa(b.Number)+"-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	log.dir = dir
	if err := w.repo.checkout(ctx, b.Hash, dir); err != nil {
		return nil, err
	}
	home := filepath.Join(dir, w.config.Folder)
	// Not above it: that may be another site.
	if _, err := os.Lstat(filepath.Join(home, site.ConfigFile)); err != nil {
		return nil, fmt.Errorf("the commit has no %s", filepath.Join(w.config.Folder, site.ConfigFile))
	}
	return w.config.Make(ctx, Making{home, b.version(), log})
}
