package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"esper/internal/site"
)

// doctorCommand checks what a site needs.
type doctorCommand struct {
	Site   string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it, if it is one)."`
	Server string `env:"ESPER_SERVER" placeholder:"URL" help:"The server (default: http://127.0.0.1 with the port in the site's update.url)."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Help is the command's description.
func (c *doctorCommand) Help() string {
	return `Looks at all that a site needs on this computer and around it: compiler, vendor's SDK, esptool,
serial ports, keys, secrets, git, the addresses in esper.toml, broker, update URL, server and
clock. Each line says what to do next. Nothing is changed. Outside a site it checks what can be
checked there.

It asks only the broker and the update URL that esper.toml names, the server, and the DNS for
their names; nothing takes longer than 20 seconds. At the broker it logs in as the device 000000
and leaves.

States: ok; warn, which works for something but perhaps not for what you want; fail; and -, which
could not be checked. The exit code is 1 if anything fails. Warnings alone make it 0.`
}

// state is what a check found; the greater, the worse.
type state int

const (
	notChecked state = iota
	ok
	warn
	fail
)

// String is the state as it is printed.
func (s state) String() string { return [...]string{"-", "ok", "warn", "fail"}[s] }

// diagnosis is one line of the table.
type diagnosis struct {
	what   string
	state  state
	detail string
	next   string // what to do; empty: nothing
}

// failed returns a diagnosis of an error, with the advice that comes with it.
func failed(what string, err error) diagnosis {
	return diagnosis{what, fail, oneLine(err), whatToDo(err)}
}

// checkTime is how long a check may take.
const checkTime = 20 * time.Second

// check is one of the checks; it may find several things.
type check struct {
	what string
	do   func(ctx context.Context) []diagnosis
}

// inTime returns what a function returns if that comes in time. Otherwise the function is left to
// itself: what waits for a disk or a pipe cannot be stopped.
func inTime[T any](limit time.Duration, do func() T) (result T, ended bool) {
	done := make(chan T, 1)
	go func() { done <- do() }()
	select {
	case result = <-done:
		return result, true
	case <-time.After(limit):
		return result, false
	}
}

// hung returns a diagnosis of a check that took too long.
func hung(what string, limit time.Duration) diagnosis {
	return diagnosis{what, fail, fmt.Sprintf("no answer in %s", limit), "look at what it needs: a disk or a network may hang"}
}

// runChecks runs checks side by side and returns what they found, in their order.
func runChecks(ctx context.Context, limit time.Duration, checks []check) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make([][]diagnosis, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			var ended bool
			// One second more is for what ends with the context, and knows better what it waited for.
			if found[i], ended = inTime(limit+time.Second, func() []diagnosis { return c.do(ctx) }); !ended {
				found[i] = []diagnosis{hung(c.what, limit)}
			}
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

// Run checks all and prints the table.
func (c *doctorCommand) Run(s *streams) error {
	opened, list := c.open()
	d := doctor{site: opened, server: c.Server}
	list = append(list, runChecks(context.Background(), checkTime, d.checks())...)
	var err error
	if c.JSON {
		err = printDiagnosesJSON(s, list)
	} else {
		err = printDiagnoses(s, list)
	}
	return errors.Join(err, worst(list))
}

// open returns the site, or nil, and what there is to say of it.
func (c *doctorCommand) open() (*site.Site, []diagnosis) {
	var err error
	opened, ended := inTime(checkTime, func() (s *site.Site) {
		s, err = site.Open(c.Site)
		return s
	})
	switch {
	case !ended:
		return nil, []diagnosis{hung("site", checkTime)}
	case errors.Is(err, site.ErrNoSite) && c.Site == ".":
		return nil, []diagnosis{{"site", notChecked, "there is none here or above", "'esper init DIR' makes one"}}
	case err != nil:
		return nil, []diagnosis{failed("site", siteHint(err))}
	}
	return opened, []diagnosis{{"site", ok, opened.Dir, ""}}
}

// worst returns an error if anything fails.
func worst(list []diagnosis) error {
	failed := 0
	for _, d := range list {
		if d.state == fail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(list))
	}
	return nil
}

// printDiagnoses prints the table; what to do next stands below what it is for.
func printDiagnoses(s *streams, list []diagnosis) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tCHECK\tDETAIL")
	for _, f := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.state, f.what, f.detail)
		if f.next != "" {
			fmt.Fprintf(w, "\t\t  next: %s\n", f.next)
		}
	}
	return w.Flush()
}

// printDiagnosesJSON prints the table as JSON.
func printDiagnosesJSON(s *streams, list []diagnosis) error {
	type diagnosisJSON struct {
		Check  string `json:"check"`
		State  string `json:"state"` // ok, warn, fail, or -: not checked
		Detail string `json:"detail"`
		Next   string `json:"next,omitempty"`
	}
	var all []diagnosisJSON
	for _, f := range list {
		all = append(all, diagnosisJSON{f.what, f.state.String(), f.detail, f.next})
	}
	return printJSON(s, all)
}
