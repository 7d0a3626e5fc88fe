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
// history and what roll-outs know of it. Home Assistant is told by its bridge. It is not
// known: store.ErrNoDevice.
func (s *Server) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if err := s.clear(ctx, id); err != nil { // first, or it would all be heard again
		return fmt.Errorf("remove device %s: %w", id, err)
	}
	undo := s.conductor.Remove(id)
	err := s.inventory.remove(ctx, id)
	if err != nil {
		undo()
	}
	return err
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

// remove forgets a device. What it says meanwhile comes after that.
func (n *inventory) remove(ctx context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.recorder.Flush(ctx); err != nil {
		return err
	}
	if err := n.store.Remove(ctx, id); err != nil {
		return err
	}
	n.fleet.Remove(id)
	n.labelling.Lock()
	defer n.labelling.Unlock()
	delete(n.labelled, id)
	return nil
}
