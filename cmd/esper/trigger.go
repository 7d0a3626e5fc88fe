package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
)

// triggerCommand tells devices to look for a new release.
type triggerCommand struct {
	Device []string `arg:"" optional:"" help:"Chip ids of the devices, such as 00c0de."`
	All    bool     `help:"Tell all devices of the realm."`
	brokerFlags
}

// Help is the command's description.
func (c *triggerCommand) Help() string {
	return `Tells devices over MQTT to look for a new release now, rather than at their next interval.
It returns when the broker has acknowledged; whether a device is there to hear it, and what
it does then, 'esper devices' tells.`
}

// Validate checks the command line.
func (c *triggerCommand) Validate() error {
	if c.All == (len(c.Device) > 0) {
		return errors.New("name devices, or --all for all of them")
	}
	for _, id := range c.Device {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

// Run tells the devices.
func (c *triggerCommand) Run(s *streams) error {
	u, realm, err := c.where()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client, err := dialBroker(ctx, u, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer client.Close()
	ids := c.Device
	if c.All {
		ids = []string{""}
	}
	for _, id := range ids {
		topic := triggerTopic(realm, id)
		if err := client.Publish(topic, []byte("check"), false); err != nil {
			return err
		}
		s.note("published %s at %s", topic, client)
	}
	return nil
}
