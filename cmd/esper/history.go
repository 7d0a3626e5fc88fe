package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"esper/internal/api"
	"esper/internal/fleet"
)

// historyCommand shows what happened.
type historyCommand struct {
	Device  string     `arg:"" optional:"" help:"Chip id of a device (default: all)."`
	Kind    fleet.Kind `enum:"presence,type,version,slot,update,settings,restart," default:"" placeholder:"KIND" help:"Only presence, type, version, slot, update, settings or restart."`
	Since   age        `placeholder:"TIME" help:"Only what is not longer ago, such as 12h or 7d."`
	Limit   int        `default:"1000" placeholder:"N" help:"The newest N, at most 100000 (default: 1000)."`
	Updates bool       `help:"Show each update as a whole: from, to, what it cost, how long it took, what was wrong."`
	JSON    bool       `name:"json" help:"Print JSON."`
	serverFlags
}

// maxHistory is how many events the server tells at once.
const maxHistory = 100_000

// Help is the command's description.
func (c *historyCommand) Help() string {
	return `Shows what happened to devices, the oldest first: when they came and went, what they ran,
how their updates went, when and why they restarted. A time with ~ is when the server learnt
of it; it had happened before. esper serve has to run.

COST is what came over the air, and the time from the beginning of the download to the restart;
TOOK is the time until the release was confirmed or given up.`
}

// Validate checks the command line.
func (c *historyCommand) Validate() error {
	if c.Limit < 1 || c.Limit > maxHistory {
		return fmt.Errorf("--limit is 1 to %d", maxHistory)
	}
	if c.Device != "" {
		return checkID(c.Device)
	}
	return nil
}

// Run shows the history.
func (c *historyCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	query := api.HistoryQuery{Kind: c.Kind, Limit: c.Limit}
	if c.Updates {
		query.Kind, query.Limit = "", maxHistory // an update is several events, and the version before
	}
	if c.Since != 0 {
		query.Since = time.Now().Add(-time.Duration(c.Since))
	}
	events, err := server.History(context.Background(), c.Device, query)
	if err != nil {
		return err
	}
	if c.Updates {
		updates := fleet.Updates(events)
		if n := len(updates); n > c.Limit {
			updates = updates[n-c.Limit:]
		}
		if c.JSON {
			return printJSON(s, updates)
		}
		return printUpdates(s, updates)
	}
	if c.JSON {
		return printJSON(s, events)
	}
	if len(events) == 0 {
		s.note("nothing like that has happened")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tDEVICE\tWHAT\tBEFORE\tNOW\tRELEASE\tERROR")
	for _, e := range events {
		at := localTime(e.At)
		if e.Late {
			at = "~" + at
		}
		failure := e.Error
		if e.Kind == fleet.UpdateEvent && e.After == "downloading" && failure != "" {
			failure = withoutDelta(failure)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at, e.Device, e.Kind, orDash(e.Before), e.After, orDash(e.Version), orDash(failure))
	}
	return w.Flush()
}

// printUpdates prints a table of updates.
func printUpdates(s *streams, updates []fleet.Update) error {
	if len(updates) == 0 {
		s.note("no update has been seen")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BEGAN\tDEVICE\tFROM\tTO\tSTATE\tCOST\tTOOK\tERROR")
	for _, u := range updates {
		took := "-"
		if u.Took() > 0 {
			took = u.Took().Round(100 * time.Millisecond).String()
		}
		failure := u.Error
		if failure == "" && u.WithoutDelta != "" {
			failure = withoutDelta(u.WithoutDelta)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", localTime(u.Began), u.Device, orDash(u.From), u.Version, u.State,
			orDash(costText(u)), took, orDash(failure))
	}
	return w.Flush()
}

// costText returns what an update cost until its restart, "1.2 KB in 1.4 s", or empty if nothing is
// known of that.
func costText(u fleet.Update) string {
	if u.Received == nil && u.Seconds == 0 {
		return ""
	}
	text := "unknown bytes"
	if u.Received != nil {
		text = sizeText(*u.Received)
	}
	if u.Seconds > 0 {
		text += " in " + secondsText(u.Seconds)
	}
	return text
}

// withoutDelta is the note that a device does without a delta, for one of the errors of updates.
func withoutDelta(reason string) string { return "without a delta: " + reason }

// sizeText is a number of bytes as a person reads it.
func sizeText(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f KB", float64(n)/1024)
}

// secondsText is a short time as a person reads it.
func secondsText(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return shortDuration(time.Duration(seconds * float64(time.Second)))
}
