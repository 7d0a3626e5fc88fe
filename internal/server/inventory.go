package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/store"
)

// openInventory opens the database and makes known again what it holds.
func (s *Server) openInventory() ([]fleet.Device, error) {
	var err error
	if s.store, err = store.Open(context.Background(), s.config.Database); err != nil {
		return nil, err
	}
	stored, err := s.store.Find(context.Background(), store.Query{})
	if err != nil {
		return nil, err
	}
	devices := make([]fleet.Device, len(stored))
	for i, d := range stored {
		devices[i] = d.Device
	}
	s.fleet.Restore(devices)
	s.log.Info("inventory", "database", store.Redact(s.config.Database), "devices", len(devices))
	return devices, nil
}

// hear takes in a message of a device.
func (s *Server) hear(m broker.Message) {
	at := receivedAt(m)
	s.fleet.Handle(m.Topic, m.Payload, at)
	id, online := strings.CutSuffix(strings.TrimPrefix(m.Topic, s.config.Realm+"/"), "/status")
	if !online || at.IsZero() || string(m.Payload) != fleet.Online {
		return
	}
	d, _ := s.fleet.Device(id)
	if d.SleepSlack() > 0 {
		go s.wanted.LookAt(id) // it sleeps again soon; the broker waits for us
	}
	topics := s.reported.Connected(id, at)
	if d.Info != nil && !d.Info.Boot.Safe { // in safe mode it has no features
		topics = append(topics, s.features.Connected(id, at)...)
	}
	if len(topics) > 0 {
		go s.clearTopics(id, topics) // the broker may be slow, and waits for us
	}
}

// hearFeature takes in what may be the state of a feature, or the attributes of features.
func (s *Server) hearFeature(m broker.Message) {
	id, name, news := s.features.Handle(m.Topic, m.Payload, receivedAt(m))
	switch {
	case !news:
	case name == "":
		s.live.Changed(id)
	default:
		d, _ := s.fleet.Device(id)
		d.ID = id
		s.live.Feature(s.features.Feature(d, name))
	}
}

// receivedAt returns when a message was received, zero for a retained one.
func receivedAt(m broker.Message) time.Time {
	if m.Retained {
		return time.Time{}
	}
	return time.Now()
}

// clearTopics removes what the broker retains at topics of a device.
func (s *Server) clearTopics(id string, topics []string) {
	client := s.client.Load()
	for _, topic := range topics {
		if client == nil {
			return
		}
		if err := (*client).Publish(s.config.Realm+"/"+id+"/"+topic, nil, true); err != nil {
			s.log.Warn("what former firmware declared stays at the broker", "device", id, "topic", topic, "error", err)
			return
		}
	}
	s.live.Setting(id)
	s.live.Changed(id)
}

// label changes what people call a device.
func (s *Server) label(ctx context.Context, id string, c store.LabelChange) error {
	select {
	case s.labelling <- struct{}{}: // of two changes the last one is to be known last
		defer func() { <-s.labelling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.store.Label(ctx, id, c); err != nil {
		return err
	}
	found, err := s.store.Find(ctx, store.Query{ID: id})
	for _, d := range found {
		s.fleet.Label(id, d.Labels)
	}
	return err
}

// prune returns what removes from the history what is too old, but for the first time: a computer that
// has just been switched on may be in the wrong year.
func (s *Server) prune() func(context.Context) error {
	first := true
	return func(ctx context.Context) (err error) {
		if !first {
			_, err = s.store.Prune(ctx, store.Keep(time.Now()))
		}
		first = false
		return err
	}
}

// watchSilence returns what finds devices that say nothing any more. While there is no broker that is not their
// fault.
func (s *Server) watchSilence() func(context.Context) error {
	since := time.Now()
	return func(context.Context) error {
		if !s.connected() {
			since = time.Now()
		} else {
			s.fleet.Silence(since, time.Now())
		}
		return nil
	}
}

// applySettings tells devices the values of settings that are wanted, if they use others.
func (s *Server) applySettings(context.Context) error {
	if s.connected() {
		s.wanted.Look()
	}
	return nil
}

// storeReleases returns what keeps the database up to date about what is published.
func (s *Server) storeReleases() func(context.Context) error {
	known := s.feed.Published()
	stored := false
	return func(ctx context.Context) error {
		p := s.feed.Published()
		if stored && p == known {
			return nil
		}
		var releases []store.Release
		for _, e := range p.Entries() {
			releases = append(releases, store.Release{Type: e.Type, Version: e.Version, Sequence: e.Sequence, Served: e.Current})
		}
		if err := s.store.SetReleases(ctx, releases); err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
		known, stored = p, true
		return nil
	}
}
