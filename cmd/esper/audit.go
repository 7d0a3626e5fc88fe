package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"esper/internal/access"
)

// auditCommand shows who did what.
type auditCommand struct {
	Since age  `placeholder:"TIME" help:"Only what is not longer ago, such as 12h or 7d."`
	Limit int  `default:"1000" placeholder:"N" help:"The newest N, at most 100000 (default: 1000)."`
	JSON  bool `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *auditCommand) Help() string {
	return `Shows what was done over the API and to the tokens, and by whom, the oldest first; and what was
refused, as long as it was not a flood. Needs a token with the role operator, if the server has
any. It is kept for a year.

WHO is the name of the token, or of the user who opened the database; with the role local it is
somebody on the server's machine, while there were no tokens.`
}

// Validate checks the command line.
func (c *auditCommand) Validate() error {
	if c.Limit < 1 || c.Limit > maxHistory {
		return fmt.Errorf("--limit is 1 to %d", maxHistory)
	}
	return nil
}

// Run shows the audit log.
func (c *auditCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	query := access.AuditQuery{Limit: c.Limit}
	if c.Since != 0 {
		query.Since = time.Now().Add(-time.Duration(c.Since))
	}
	entries, err := server.Audit(context.Background(), query)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, entries)
	}
	if len(entries) == 0 {
		s.note("nothing has been done")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tWHO\tROLE\tFROM\tWHAT\tTO\tANSWER\tDETAIL")
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", localTime(e.At), orDash(e.Who), orDash(string(e.Role)), orDash(e.Remote),
			e.Action, orDash(e.Target), e.Status, orDash(e.Detail))
	}
	return w.Flush()
}
