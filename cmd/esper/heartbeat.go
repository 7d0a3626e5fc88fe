package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"esper/internal/heartbeat"
	"esper/internal/logging"
	"esper/internal/site"
)

// heartbeatCommand publishes the heartbeat of a site.
type heartbeatCommand struct {
	brokerFlags
	Interval time.Duration `placeholder:"TIME" help:"Time between two beats (default: a third of the site's heartbeat.timeout, or 10s)."`
}

// Help is the command's description.
func (c *heartbeatCommand) Help() string {
	return `Publishes the heartbeat at <realm>/heartbeat until it is interrupted. Devices that are built with a
heartbeat.timeout, in esper.toml, restart when they are connected and have missed it for that long:
that brings back a device whose connection is there but carries nothing.

It shows that the broker is well, so it should run where the broker does. 'esper serve --heartbeat'
does the same. If the connection breaks it comes back by itself.

The user of mqtt.url in esper.toml is the devices', which may not publish there. At the broker of
'esper serve' an API token with the role publisher may: --mqtt mqtt://NAME:TOKEN@host.`
}

// Validate checks the command line.
func (c *heartbeatCommand) Validate() error {
	if c.Interval == 0 {
		return nil
	}
	return heartbeat.CheckInterval(c.Interval)
}

// Run publishes it until it is interrupted.
func (c *heartbeatCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opened, err := site.Open(c.Site)
	if err != nil && !errors.Is(err, site.ErrNoSite) {
		return err
	}
	interval := c.Interval
	if opened != nil {
		interval = beatEvery(interval, opened.Config, func(warning string) { s.note("warning: %s", warning) })
	} else if interval == 0 {
		interval = heartbeat.DefaultInterval
	}
	u, realm, err := c.where()
	if err != nil {
		return err
	}
	connection, err := dialBroker(ctx, u, logging.New(s.err, slog.LevelInfo))
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := heartbeat.Probe(ctx, connection, realm); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return hint(err, "at the broker of 'esper serve' an API token with the role publisher may: --mqtt mqtt://NAME:TOKEN@host")
	}
	s.note("publishing %s every %v at %s, until interrupted", heartbeat.Topic(realm), interval, connection)
	heartbeat.Send(ctx, connection, realm, interval, logging.New(s.err, slog.LevelInfo))
	return nil
}

// beatEvery returns the interval of the heartbeat of a site: the one that is given, or with 0 what
// fits the timeout. Warn is called if it does not fit.
func beatEvery(given time.Duration, c site.Config, warn func(string)) time.Duration {
	interval := given
	if interval == 0 {
		interval = heartbeat.Interval(c.Heartbeat.Timeout)
	}
	if warning := heartbeat.Warning(interval, c.Heartbeat.Timeout); warning != "" {
		warn(warning)
	}
	return interval
}
