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
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"esper/internal/filelock"
	"esper/internal/pipeline"
)

// Config is how a build server is set up.
type Config struct {
	Data   string // folder, of which it uses git and builds
	Source string // what to fetch: a path or a URL; empty: it is pushed to
	Format string // how what is pushed names its objects, sha1 or sha256; empty: as before, or sha1
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
	unlock func() error
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
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if w.unlock, err = filelock.Take(lock); errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	} else if err != nil {
		return nil, err
	}
	if w.repo, err = openMirror(ctx, filepath.Join(data, "git", "site.git"), c.Format); err == nil {
		err = w.load()
	}
	if err != nil {
		return nil, errors.Join(err, w.unlock())
	}
	return w, nil
}

// Close lets others build in the folder. It is for a build server that does not run.
func (w *Watcher) Close() error { return w.unlock() }

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

// Run follows and builds until the context ends. A build that is under way then is interrupted.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.unlock()
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
