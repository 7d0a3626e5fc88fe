package main

import (
	"context"
	"errors"

	"esper/internal/store"
)

// labelCommand names devices.
type labelCommand struct {
	Device []string `arg:"" help:"Chip ids of the devices, such as 00c0de."`
	Name   *string  `placeholder:"NAME" help:"The name, of one device; empty: none."`
	Group  *string  `placeholder:"GROUP" help:"The group; empty: none."`
	Tag    []string `placeholder:"TAG" help:"Tags to add."`
	Untag  []string `placeholder:"TAG" help:"Tags to remove."`
	inventoryFlags
}

// Help is the command's description.
func (c *labelCommand) Help() string {
	return `Gives devices a name, a group and tags, in the inventory that esper serve keeps; the devices do
not know them. A device has at most one group, and tags as many as it takes.`
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
	ctx := context.Background()
	to, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	for _, id := range c.Device {
		err := to.Label(ctx, id, store.LabelChange{Name: c.Name, Group: c.Group, Tag: c.Tag, Untag: c.Untag})
		if errors.Is(err, store.ErrNoDevice) {
			return hint(err, "a device is known once it has reported")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
