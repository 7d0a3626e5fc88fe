package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"esper/internal/pipeline"
	"esper/internal/site"
)

// Making is what a build is made of.
type Making struct {
	Dir     string // the site, checked out clean; it is removed afterwards
	Version site.Version
	Log     *Log
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
	if err := w.repo.Checkout(ctx, b.Hash, dir); err != nil {
		return nil, err
	}
	home := filepath.Join(dir, w.config.Folder)
	// Not above it: that may be another site.
	if _, err := os.Lstat(filepath.Join(home, site.ConfigFile)); err != nil {
		return nil, fmt.Errorf("the commit has no %s", filepath.Join(w.config.Folder, site.ConfigFile))
	}
	return w.config.Make(ctx, Making{home, b.version(), log})
}
