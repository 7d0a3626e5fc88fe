package main

import (
	"context"
	"fmt"
	"text/tabwriter"
)

// releasesCommand shows the releases that are kept.
type releasesCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *releasesCommand) Help() string {
	return `Shows the releases that the server keeps, the newest first: what is generally available, and what
devices run or are pinned to. esper serve has to run.`
}

// Run shows the releases.
func (c *releasesCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	kept, err := server.Releases(context.Background())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, kept)
	}
	if len(kept) == 0 {
		s.note("nothing is published")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tVERSION\tSEQUENCE\tNEWEST\tGENERAL")
	mark := map[bool]string{true: "yes", false: "-"}
	for _, r := range kept {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", r.Type, r.Version, r.Sequence, mark[r.Newest], mark[r.General])
	}
	return w.Flush()
}
