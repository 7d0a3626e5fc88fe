package server

import (
	"context"

	"esper/internal/broker"
	"esper/internal/homeassistant"
)

// tellHomeAssistant tells Home Assistant about the fleet until the context ends, or returns
// at once if nobody wants it to.
func (s *Server) tellHomeAssistant(ctx context.Context, client broker.Client) error {
	if s.config.HomeAssistant.Prefix == "" {
		return nil
	}
	s.log.Info("telling Home Assistant about the devices", "discovery_prefix", s.config.HomeAssistant.Prefix)
	return homeassistant.New(homeassistant.Config{
		Options: s.config.HomeAssistant, Realm: s.config.Realm, Fleet: s.fleet, Log: s.log, Wanted: s.conductor.Wanted,
	}).Run(ctx, client)
}
