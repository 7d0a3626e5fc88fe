package main

import (
	"context"
	"fmt"

	"esper/internal/conductor"
)

// whyCommand says what a device gets, and why.
type whyCommand struct {
	Device string `arg:"" help:"Chip id of the device, such as 00c0de."`
	JSON   bool   `name:"json" help:"Print JSON."`
	settingsFlag
	serverFlags
}

// Help is the command's description.
func (c *whyCommand) Help() string {
	return `Says which release a device would get if it asked now, and why: one of the reasons in
docs/rollouts.md. With --settings it says which settings it would get, by their sequence. esper serve
has to run.`
}

// settingsFlag chooses the settings of a device in place of its firmware.
type settingsFlag struct {
	Settings bool `help:"Of its settings, not of its firmware."`
}

// Validate checks the command line.
func (c *whyCommand) Validate() error { return checkID(c.Device) }

// Run asks the server.
func (c *whyCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ask := server.Why
	if c.Settings {
		ask = server.WhySettings
	}
	told, err := ask(context.Background(), c.Device)
	if err != nil {
		return err
	}
	return printAnswer(s, told, c.JSON)
}

// printAnswer prints what a device would get now.
func printAnswer(s *streams, told conductor.Answer, asJSON bool) error {
	if asJSON {
		return printJSON(s, told)
	}
	d := told.Device
	gets := "gets " + told.Release
	switch {
	case told.Release == "":
		gets = "gets nothing"
	case told.Release == d.Running:
		gets = "stays on " + d.Running
	case d.Running != "":
		gets += ", runs " + d.Running
	}
	_, err := fmt.Fprintf(s.out, "%s %s: %s (%s)\n", d.ID, gets, told.Explanation, told.Reason)
	return err
}

// steer does something to a device and prints what it would get now.
func (f *serverFlags) steer(s *streams, id, action string, asJSON bool) error {
	server, err := f.client()
	if err != nil {
		return err
	}
	told, err := server.Steer(context.Background(), id, action)
	if err != nil {
		return err
	}
	return printAnswer(s, told, asJSON)
}
