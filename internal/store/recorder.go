package store

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"esper/internal/fleet"
)

// How a recorder works.
const (
	// recordEvery is how long a change waits for others.
	recordEvery = 200 * time.Millisecond
	// recordBatch is how many devices and events make a batch.
	recordBatch = 1000
	// maxWaiting is how many events wait while the database cannot be written.
	maxWaiting = 200_000
	// recordRetry is how long after a failure it tries again.
	recordRetry = time.Second
	// recordGrace is how long the last batch may take.
	recordGrace = 5 * time.Second
)

// Recorder stores changes in batches, as thousands of messages a second take it.
// What a device said several times since the last batch is stored once; of its
// events none is left out. Nobody is told that a change is stored (MQTT's QoS 0
// acknowledges nothing), so a batch that is lost with the process is what the
// devices say again when they reconnect.
type Recorder struct {
	store Store
	log   *slog.Logger
	wake  chan struct{}
	flush chan chan struct{}

	// Stored is called with the devices of each batch that has been stored. It must not
	// wait. It is set before Run.
	Stored func(ids ...string)

	mu      sync.Mutex
	waiting map[string]*fleet.Change // by device
	events  int                      // of all that wait
	lossy   bool                     // has been logged
}

// NewRecorder returns a recorder, which stores while Run runs.
func NewRecorder(s Store, log *slog.Logger) *Recorder {
	return &Recorder{
		store: s, log: log, wake: make(chan struct{}, 1), flush: make(chan chan struct{}), Stored: func(...string) {}, waiting: map[string]*fleet.Change{},
	}
}

// Add hands over a change. It does not wait. The changes of one device must come in
// their order.
func (r *Recorder) Add(c fleet.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waiting[c.Device.ID]
	if w == nil {
		w = &fleet.Change{}
		r.waiting[c.Device.ID] = w
	}
	w.Device = c.Device
	if r.events+len(c.Events) <= maxWaiting {
		w.Events = append(w.Events, c.Events...)
		r.events += len(c.Events)
	} else {
		if !r.lossy {
			r.log.Error("the database is too slow or away: the history will lack what happens now")
		}
		r.lossy = true
	}
	if len(r.waiting) == 1 || len(r.waiting)+r.events >= recordBatch {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// Flush waits until all that was added before is stored. Run must be running.
func (r *Recorder) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case r.flush <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run stores what is added until the context ends, and then the rest.
func (r *Recorder) Run(ctx context.Context) {
	for ctx.Err() == nil {
		var flushed chan struct{}
		select {
		case <-r.wake:
			flushed = r.gather(ctx)
		case flushed = <-r.flush:
		case <-ctx.Done():
		}
		if r.storeAll(ctx) && flushed != nil {
			close(flushed)
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordGrace)
	defer cancel()
	r.storeAll(grace)
}

// gather waits until there is enough for a batch, or for long enough.
func (r *Recorder) gather(ctx context.Context) (flushed chan struct{}) {
	enough := time.NewTimer(recordEvery)
	defer enough.Stop()
	for r.size() < recordBatch {
		select {
		case <-r.wake:
		case <-enough.C:
			return nil
		case flushed := <-r.flush:
			return flushed
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (r *Recorder) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) + r.events
}

// storeAll stores all that waits, however long it takes until that succeeds, unless
// the context ends before.
func (r *Recorder) storeAll(ctx context.Context) bool {
	r.mu.Lock()
	all := r.waiting
	r.waiting, r.events = map[string]*fleet.Change{}, 0
	r.mu.Unlock()
	for len(all) > 0 {
		var batch []fleet.Change
		size := 0
		for _, c := range all {
			batch = append(batch, *c)
			if size += 1 + len(c.Events); size >= recordBatch {
				break
			}
		}
		if !r.storeBatch(ctx, batch) {
			r.putBack(all)
			return false
		}
		for _, c := range batch {
			delete(all, c.Device.ID)
			r.Stored(c.Device.ID)
		}
	}
	return true
}

func (r *Recorder) storeBatch(ctx context.Context, batch []fleet.Change) bool {
	for r.store.Apply(ctx, batch) != nil { // it says so itself
		select {
		case <-time.After(recordRetry):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// putBack returns what was not stored.
func (r *Recorder) putBack(older map[string]*fleet.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, c := range older {
		r.events += len(c.Events)
		if newer := r.waiting[id]; newer != nil {
			newer.Events = append(c.Events, newer.Events...)
		} else {
			r.waiting[id] = c
		}
	}
}
