package main

import (
	"context"
	"fmt"
	"text/tabwriter"
)

// groupsCommand shows groups and tags.
type groupsCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *groupsCommand) Help() string {
	return `Shows the groups and tags that people gave devices with 'esper label', and how many devices have
each. ONLINE are there now. CURRENT run the release that their roll-out means them to run, and do
not try it out: a device whose stage has not come is current, one that a pause keeps from the
release is not. esper serve has to run.`
}

// Run shows the groups and tags.
func (c *groupsCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	groups, err := server.Groups(context.Background())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, groups)
	}
	if len(groups) == 0 {
		s.note("no device is known yet")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tDEVICES\tONLINE\tCURRENT")
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", g.Kind, orDash(g.Name), g.Devices, g.Online, g.Current)
	}
	return w.Flush()
}
