package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/health"
	"esper/internal/metrics"
	"esper/internal/store"
)

// newMetrics returns what Prometheus is told of the server.
func (s *Server) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Sources{
		Published: s.feed.Published, Devices: s.fleet.Devices, Malformed: s.fleet.Malformed,
		Rollouts: s.conductor.Rollouts, Connected: s.connected,
		Broker: func() (broker.Stats, bool) {
			if client := s.client.Load(); client != nil {
				if b, ok := (*client).(*broker.Broker); ok {
					return b.Stats(), true
				}
			}
			return broker.Stats{}, false
		},
	})
}

// watchedStore is a store of which it is measured how long batches take, and known whether it takes them.
type watchedStore struct {
	store.Store
	metrics *metrics.Metrics
	health  *health.Health
}

// Apply implements store.Store.
func (s watchedStore) Apply(ctx context.Context, changes []fleet.Change) error {
	began := time.Now()
	err := s.Store.Apply(ctx, changes)
	s.metrics.Stored(len(changes), time.Since(began), err)
	s.health.Note("inventory", err)
	return err
}

// Metrics is what Prometheus is told.
func (s *Server) Metrics() prometheus.Gatherer { return s.metrics.Gatherer() }
