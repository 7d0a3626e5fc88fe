package main

import (
	"context"
	"errors"
	"net/http"

	"esper/internal/client"
)

// removeCommand forgets devices.
type removeCommand struct {
	Device []string `arg:"" help:"Chip ids of the devices, such as 00c0de."`
	Force  bool     `help:"Also those that are online."`
	JSON   bool     `name:"json" help:"Print JSON: the ids of the devices that were removed."`
	serverFlags
}

// Help is the command's description.
func (c *removeCommand) Help() string {
	return `Forgets devices that are gone for good: what they reported, their history, names and tags, what
roll-outs know of them, what the broker keeps of them, and what Home Assistant was told.

A device that is still alive comes back as a new one when it next reports; so one that is
online is removed with --force only. esper serve has to run.`
}

// Validate checks the command line.
func (c *removeCommand) Validate() error {
	for _, id := range c.Device {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

// Run removes the devices.
func (c *removeCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	removed := []string{}
	err = eachDevice(c.Device, func(id string) error {
		err := server.Remove(context.Background(), id, c.Force)
		if problem := new(client.Problem); errors.As(err, &problem) && problem.Status == http.StatusConflict {
			return hint(err, "switch it off first, or --force")
		}
		if err != nil {
			return err
		}
		removed = append(removed, id)
		if !c.JSON {
			s.note("%s is forgotten; should it still be alive, it comes back when it next reports", id)
		}
		return nil
	})
	if c.JSON {
		err = errors.Join(err, printJSON(s, removed))
	}
	return err
}
