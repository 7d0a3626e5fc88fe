package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"esper/internal/broker"
	"esper/internal/fleet"
	"esper/internal/metrics"
	"esper/internal/store"
)

// newMetrics returns what Prometheus is told of the server.
func (s *Server) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Sources{
		Releases: s.repository.List,
		Devices:  func() []fleet.Device { return s.inventory.fleet.Devices() }, Malformed: func() int64 { return s.inventory.fleet.Malformed() },
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

// timedStore is a store of which it is measured how long batches take.
type timedStore struct {
	store.Store
	stored func(changes int, took time.Duration, err error)
}

func (t timedStore) Apply(ctx context.Context, changes []fleet.Change) error {
	began := time.Now()
	err := t.Store.Apply(ctx, changes)
	t.stored(len(changes), time.Since(began), err)
	return err
}

// Metrics is what Prometheus is told.
func (s *Server) Metrics() prometheus.Gatherer { return s.metrics.Gatherer() }
