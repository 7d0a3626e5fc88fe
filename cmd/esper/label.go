package main

import (
	"context"
	"errors"

	"esper/internal/api"
)

// labelCommand names devices.
type labelCommand struct {
	Device []string `arg:"" help:"Chip ids of the devices, such as 00c0de."`
	Name   *string  `placeholder:"NAME" help:"The name, of one device; empty: none."`
	Group  *string  `placeholder:"GROUP" help:"The group; empty: none."`
	Tag    []string `placeholder:"TAG" help:"Tags to add."`
	Untag  []string `placeholder:"TAG" help:"Tags to remove."`
	JSON   bool     `name:"json" help:"Print JSON: the devices as they are now."`
	serverFlags
}

// Help is the command's description.
func (c *labelCommand) Help() string {
	return `Gives devices a name, a group and tags, in the inventory that esper serve keeps; the devices do
not know them. A device has at most one group, and tags as many as it takes. esper serve has
to run.`
}

// Validate checks the command line.
func (c *labelCommand) Validate() error {
	if c.Name == nil && c.Group == nil && len(c.Tag) == 0 && len(c.Untag) == 0 {
		return errors.New("say what to change: --name, --group, --tag or --untag")
	}
	if c.Name != nil && len(c.Device) > 1 {
		return errors.New("a name is for one device")
	}
	for _, id := range c.Device {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

// Run names the devices.
func (c *labelCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	labelled := []api.Device{}
	err = eachDevice(c.Device, func(id string) error {
		d, err := server.Label(context.Background(), id, api.LabelChange{Name: c.Name, Group: c.Group, Tag: c.Tag, Untag: c.Untag})
		if err == nil {
			labelled = append(labelled, d)
		}
		return err
	})
	if c.JSON {
		err = errors.Join(err, printJSON(s, labelled))
	}
	return err
}
