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
		Options: s.config.HomeAssistant, Realm: s.config.Realm, Fleet: s.inventory.fleet, Log: s.log,
		Wanted: s.wanted, Name: s.inventory.name,
	}).Run(ctx, client)
}

// wanted is the release that a device would get if it asked now, or empty.
func (s *Server) wanted(id string) string {
	answer, err := s.conductor.Why(id)
	if err != nil || !s.repository.Has(answer.Device.Type, answer.Release) { // not heard of, or not kept
		return ""
	}
	return answer.Release
}
