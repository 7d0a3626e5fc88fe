package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"esper/internal/rollout"
)

// rolloutCommand shows roll-outs and acts on them.
type rolloutCommand struct {
	Action string `arg:"" optional:"" enum:"status,history,pause,resume,abort,approve,everywhere" default:"status" help:"status (default), history, pause, resume, abort, approve or everywhere."`
	Type   string `arg:"" optional:"" help:"The device type, or TYPE.settings; status and history show all without one."`
	JSON   bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *rolloutCommand) Help() string {
	return `Shows how far the releases of each device type have come, or acts on the roll-out of one:

  history     what happened: stages, failures, and what people did
  pause       nothing new begins; devices that took the release go on
  resume      the end of a pause
  abort       for good: no device is offered the release any more
  approve     the stage that waits for it begins
  everywhere  the release is generally available now, whatever the plan says

DONE are devices that run the release, AT RISK those that were told of it and have not reported
it yet, FAILED the failures of the present stage. TYPE.settings is the roll-out of the settings of a
type ('esper settings release'); its releases are sequences. esper serve has to run.`
}

// Validate checks the command line.
func (c *rolloutCommand) Validate() error {
	if c.Action != "status" && c.Action != "history" && c.Type == "" {
		return errors.New("name the device type: esper rollout " + c.Action + " TYPE")
	}
	return nil
}

// Run shows the roll-outs, or acts on one and shows it.
func (c *rolloutCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ctx := context.Background()
	if c.Action == "history" {
		events, err := server.RolloutHistory(ctx, c.Type)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s, events)
		}
		if len(events) == 0 {
			s.note("nothing has happened")
			return nil
		}
		return printRolloutHistory(s.out, events)
	}
	var all []rollout.State
	if c.Action == "status" {
		all, err = server.Rollouts(ctx)
	} else {
		all = make([]rollout.State, 1)
		all[0], err = server.SteerRollout(ctx, c.Type, c.Action)
	}
	if err != nil {
		return err
	}
	if c.Type != "" {
		all = slices.DeleteFunc(all, func(s rollout.State) bool { return s.Type != c.Type })
		if len(all) == 0 {
			return hint(fmt.Errorf("nothing is published for the device type %s", c.Type), noTypeHint)
		}
	}
	if c.JSON {
		return printJSON(s, all)
	}
	if len(all) == 0 {
		s.note("nothing is published")
		return nil
	}
	return printRollouts(s.out, all, time.Now())
}

func printRollouts(out io.Writer, all []rollout.State, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tRELEASE\tGENERAL\tSTATUS\tSTAGE\tDONE\tAT RISK\tWAITING\tFAILED")
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", r.Type, r.Release.Version, orDash(r.General.Version), r.Status.Words(),
			stageText(r, now), r.Confirmed, r.AtRisk, r.Waiting, r.Failed)
	}
	return w.Flush()
}

func printRolloutHistory(out io.Writer, events []rollout.Event) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tTYPE\tRELEASE\tWHAT\tSTAGE\tDEVICE\tFAILURE\tBY")
	for _, e := range events {
		stage := "-"
		if e.Kind.OfStage() {
			stage = fmt.Sprint(e.Stage + 1)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", localTime(e.At), e.Type, e.Release, e.Kind, stage,
			orDash(e.Device), orDash(string(e.Failure)), orDash(e.By))
	}
	return w.Flush()
}

// stageText is where a roll-out is, in a few words: "2 of 3, 10%, watched for 3h2m".
func stageText(r rollout.State, now time.Time) string {
	if r.Stage >= len(r.Plan.Stages) || r.Status == rollout.Complete {
		return "-"
	}
	stage := r.Plan.Stages[r.Stage]
	who := fmt.Sprintf("%d%%", stage.Percent)
	switch {
	case stage.Group != "":
		who = "group " + stage.Group
	case stage.Tag != "":
		who = "tag " + stage.Tag
	}
	text := fmt.Sprintf("%d of %d, %s", r.Stage+1, len(r.Plan.Stages), who)
	switch {
	case r.Status == rollout.Aborted || r.Status == rollout.Stopped:
	case r.Opened.IsZero():
		text += ", waits for approval"
	case !r.Settled.IsZero():
		text += ", watched for " + shortDuration(now.Sub(r.Settled))
	}
	return text
}
