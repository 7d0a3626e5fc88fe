package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/store"
)

// How often the inventory looks after what no message tells.
const (
	silenceEvery  = 10 * time.Second
	releasesEvery = 2 * time.Second
	pruneEvery    = time.Hour
	lockEvery     = 10 * time.Second
)

// inventory is the fleet with the database behind it.
type inventory struct {
	fleet    *fleet.Fleet
	store    store.Store
	recorder *store.Recorder
	log      *slog.Logger
	mu       sync.Mutex // keeps the changes of a device in their order

	relabelling sync.Mutex
	labelling   sync.RWMutex
	labelled    map[string]store.Labels // by device
}

// openInventory opens the database and makes known again what it holds.
func openInventory(database, realm string, log *slog.Logger) (*inventory, error) {
	s, err := store.Open(context.Background(), database)
	if err != nil {
		return nil, err
	}
	stored, err := s.Find(context.Background(), store.Query{})
	if err != nil {
		s.Close()
		return nil, err
	}
	devices := make([]fleet.Device, len(stored))
	labelled := map[string]store.Labels{}
	for i, d := range stored {
		devices[i] = d.Device
		if d.Name != "" || d.Group != "" || len(d.Tags) > 0 {
			labelled[d.ID] = d.Labels
		}
	}
	n := &inventory{fleet: fleet.New(realm, log), store: s, recorder: store.NewRecorder(s, log), log: log, labelled: labelled}
	n.fleet.Restore(devices)
	log.Info("inventory", "database", store.Redact(database), "devices", len(devices))
	return n, nil
}

// handle takes in a message, and returns the device that it changed, if any.
func (n *inventory) handle(m broker.Message) (fleet.Device, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := time.Now()
	if m.Retained {
		at = time.Time{}
	}
	c, changed := n.fleet.Handle(m.Topic, m.Payload, at)
	if changed {
		n.recorder.Add(c)
	}
	return c.Device, changed
}

// labels returns the group and tags of a device.
func (n *inventory) labels(id string) (group string, tags []string) {
	n.labelling.RLock()
	defer n.labelling.RUnlock()
	l := n.labelled[id]
	return l.Group, l.Tags
}

// name returns the name of a device.
func (n *inventory) name(id string) string {
	n.labelling.RLock()
	defer n.labelling.RUnlock()
	return n.labelled[id].Name
}

// labelStore is the store for those who change labels: the server is told of it.
type labelStore struct {
	store.Store
	inventory *inventory
}

// Label implements store.Store.
func (s labelStore) Label(ctx context.Context, id string, c store.LabelChange) error {
	n := s.inventory
	n.relabelling.Lock() // so that of two changes the last one is known
	defer n.relabelling.Unlock()
	if err := s.Store.Label(ctx, id, c); err != nil {
		return err
	}
	found, err := s.Store.Find(ctx, store.Query{ID: id})
	n.labelling.Lock()
	defer n.labelling.Unlock()
	for _, d := range found {
		n.labelled[id] = d.Labels
	}
	return err
}

// run stores what changes until the context ends. Connected says whether the devices
// are heard.
func (n *inventory) run(ctx context.Context, repository *repository.Repository, connected func() bool) {
	var working sync.WaitGroup
	working.Go(func() { n.recorder.Run(ctx) })
	working.Go(func() { n.watchSilence(ctx, connected) })
	working.Go(func() { n.watchReleases(ctx, repository) })
	working.Go(func() {
		// Not at the start: a computer that has just been switched on may be in the wrong year.
		after(ctx, pruneEvery, func() {
			if _, err := n.store.Prune(ctx, store.Keep(time.Now())); err != nil && ctx.Err() == nil {
				n.log.Error("the history grows", "error", err)
			}
		})
	})
	working.Wait()
}

// watchSilence finds devices that say nothing any more. While there is no broker
// that is not their fault.
func (n *inventory) watchSilence(ctx context.Context, connected func() bool) {
	since := time.Now()
	every(ctx, silenceEvery, func() {
		if !connected() {
			since = time.Now()
			return
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.fleet.Silence(since, time.Now()) {
			n.recorder.Add(c)
		}
	})
}

// watchReleases keeps the database up to date about what is published, by whatever
// process.
func (n *inventory) watchReleases(ctx context.Context, from *repository.Repository) {
	var known []store.Release
	failing := false
	every(ctx, releasesEvery, func() {
		entries, err := from.List()
		var releases []store.Release
		for _, e := range entries {
			releases = append(releases, store.Release{Type: e.Type, Version: e.Version, Sequence: e.Sequence, Served: e.Current})
		}
		if err == nil && !slices.Equal(releases, known) {
			if err = n.store.SetReleases(ctx, releases); err == nil {
				known = releases
			}
		}
		if err != nil && !failing && ctx.Err() == nil {
			n.log.Warn("what is published is not known", "error", fmt.Errorf("inventory: %w", err))
		}
		failing = err != nil
	})
}

// every does something now and then at an interval, until the context ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	do()
	after(ctx, interval, do)
}

// after is every without the first time.
func after(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}
