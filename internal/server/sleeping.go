package server

import (
	"context"

	"esper/internal/fleet"
	"esper/internal/settings"
)

// due reports whether a device would get other firmware or other settings than it has if it asked now.
// Before is what that was last.
func (s *Server) due(d fleet.Device, before bool) bool {
	if s.conductor.Due(d.ID, before) || s.settings.conductor.Due(d.ID, before) {
		return true
	}
	has := d.Settings
	return has != nil && s.repository.HasOwnSettings(d.ID, d.Type(), settings.Sequences{Fleet: has.Sequence, Device: has.Own})
}

// tellSleeping tells the devices that sleep whether a release waits for them.
func (s *Server) tellSleeping(context.Context) error {
	if s.connected() {
		s.waiting.Look(*s.client.Load())
	}
	return nil
}
