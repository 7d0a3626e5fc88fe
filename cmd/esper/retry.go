package main

import "context"

// retryCommand lets a device try again.
type retryCommand struct {
	Device string `arg:"" help:"Chip id of the device, such as 00c0de."`
	JSON   bool   `name:"json" help:"Print JSON."`
	settingsFlag
	serverFlags
}

// Help is the command's description.
func (c *retryCommand) Help() string {
	return `Offers a device the release again that it failed with, and tells the device, which by itself
refuses what it has rolled back. With --settings it is offered the settings again that it failed
with. esper serve has to run.`
}

// Validate checks the command line.
func (c *retryCommand) Validate() error { return checkID(c.Device) }

// Run lets the device try again.
func (c *retryCommand) Run(s *streams) error {
	if !c.Settings {
		return c.steer(s, c.Device, "retry", c.JSON)
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	told, err := server.RetrySettings(context.Background(), c.Device)
	if err != nil {
		return err
	}
	return printAnswer(s, told, c.JSON)
}
