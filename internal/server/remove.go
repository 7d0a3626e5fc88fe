package server

import (
	"context"
	"fmt"
	"time"

	"esper/internal/api"
	"esper/internal/broker"
)

// removeTimeout is how long the broker and the database may take to forget a device.
const removeTimeout = 10 * time.Second

// remove forgets a device, everywhere: what the broker retains of it, what it reported, its
// history and what roll-outs know of it. Home Assistant is told by its bridge. It returns
// store.ErrNoDevice if the device is not known. What the device says meanwhile makes it a new one.
func (s *Server) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if err := s.clear(ctx, id); err != nil { // first, or it would all be heard again
		return fmt.Errorf("remove device %s: %w", id, err)
	}
	undoFleet, undoRollouts, undoSettings := s.fleet.Remove(id), s.conductor.Remove(id), s.settings.conductor.Remove(id)
	err := s.recorder.Flush(ctx)
	if err == nil {
		err = s.store.Remove(ctx, id)
	}
	if err != nil {
		undoFleet()
		undoRollouts()
		undoSettings()
		return err
	}
	s.wanted.Remove(id)
	s.features.Remove(id)
	return nil
}

// clear removes what the broker retains below a device's topics. At an external one that
// takes a connection of its own.
func (s *Server) clear(ctx context.Context, id string) error {
	client := s.client.Load()
	if client == nil || !(*client).Connected() {
		return api.ErrNoBroker
	}
	filter := s.config.Realm + "/" + id + "/#"
	if embedded, ok := (*client).(*broker.Broker); ok {
		return embedded.Clear(filter)
	}
	once, err := broker.Dial(ctx, s.config.ExternalMQTT, s.log)
	if err != nil {
		return err
	}
	defer once.Close()
	return once.Clear(ctx, filter)
}
