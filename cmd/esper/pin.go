package main

import (
	"context"
	"errors"
)

// pinCommand pins a device to a release.
type pinCommand struct {
	Device  string `arg:"" help:"Chip id of the device, such as 00c0de."`
	Version string `arg:"" optional:"" help:"The release, one of 'esper releases'."`
	Off     bool   `help:"Pin it no longer."`
	JSON    bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *pinCommand) Help() string {
	return `Pins a device to a release: it is offered that one and no other, and the server keeps it. A
device never goes back, so pin it before it is updated. esper serve has to run.`
}

// Validate checks the command line.
func (c *pinCommand) Validate() error {
	if c.Off == (c.Version != "") {
		return errors.New("name the release to pin it to, or --off")
	}
	return checkID(c.Device)
}

// Run pins the device.
func (c *pinCommand) Run(s *streams) error {
	if c.Off {
		return c.steer(s, c.Device, "unpin", c.JSON)
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	told, err := server.Pin(context.Background(), c.Device, c.Version)
	if err != nil {
		return err
	}
	return printAnswer(s, told, c.JSON)
}
