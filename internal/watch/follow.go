package watch

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

// Look makes the build server look for new commits now. It does not wait.
func (w *Watcher) Look() { signal(w.look) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
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
		b := &Build{Commit: Commit{Hash: hash}, Branch: branch, Back: back}
		c, err := w.repo.commit(ctx, hash)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // it would be no other the next time
			b.State, b.Error = Failed, printable(err.Error(), "")
		} else {
			b.Commit = c
		}
		queued = append(queued, b)
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
