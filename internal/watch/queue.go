package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"esper/internal/pipeline"
)

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

// queue gives a build its number and queues it, or notes it if it has failed already.
func (w *Watcher) queue(b *Build) error {
	b.Number, b.Attempt, b.Queued, b.Types = 1, 1, time.Now(), []pipeline.Outcome{}
	if b.State == Failed {
		b.Ended = b.Queued
	} else {
		b.State = Queued
	}
	if n := len(w.builds); n > 0 {
		b.Number = w.builds[n-1].Number + 1
	}
	if err := w.save(b); err != nil {
		return err
	}
	w.builds = append(w.builds, b)
	if b.State == Failed {
		w.log.Error("a commit cannot be built", "build", b.Number, "commit", b.Hash[:8], "error", b.Error)
	} else {
		w.log.Info("queued", "build", b.Number, "commit", b.Hash[:8], "subject", b.Subject)
		signal(w.wake)
	}
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

// hashPrefix is the beginning of a hash, and nothing else that git would understand.
var hashPrefix = regexp.MustCompile(`^[0-9a-f]{4,64}$`)

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
	} else if !hashPrefix.MatchString(commit) {
		return Build{}, fmt.Errorf("%w: %q in %q", ErrNotFollowed, commit, branch)
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
