package server

import (
	"time"

	"esper/internal/conductor"
	"esper/internal/fleet"
	"esper/internal/repository"
	"esper/internal/settings"
)

// rolled is what is published of settings, and their roll-outs.
type rolled struct {
	feed      *repository.Feed
	conductor *conductor.Conductor
}

// openSettings opens the roll-outs of settings. They have the plans of the firmware's.
func (s *Server) openSettings(devices []fleet.Device) (*rolled, error) {
	by, err := conductor.Open(conductor.Config{
		Plan: s.config.Plan, Settings: true, Devices: devices,
		Storage: s.store.SettingsRollouts(), Keep: s.repository.Keep,
		Now: time.Now, Happened: s.announce, Changed: s.live.Rollout, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	return &rolled{feed: repository.NewSettingsFeed(s.repository, by.Published), conductor: by}, nil
}

// chooseSettings returns the sequence of the settings that a device gets.
func (s *Server) chooseSettings(q repository.Request) string {
	if err := s.settings.feed.Check(settings.FileName(q.Type)); err != nil {
		s.health.Note("repository", err)
	}
	return s.settings.conductor.Choose(q)
}
