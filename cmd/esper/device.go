package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"esper/internal/api"
	"esper/internal/client"
	"esper/internal/fleet"
	"esper/internal/rollout"
)

// deviceCommand shows one device.
type deviceCommand struct {
	Device string `arg:"" help:"Chip id of the device, such as 00c0de."`
	Watch  bool   `help:"Go on and show each change of its features, until interrupted."`
	JSON   bool   `name:"json" help:"Print JSON: all of it, or with --watch each feature that changes in a line."`
	serverFlags
}

// Help is the command's description.
func (c *deviceCommand) Help() string {
	return `Shows all that the inventory knows of a device: what it is now, the state of its features, what it
ran and when, and how its updates went. With --watch it goes on with each change of a feature, and each
event. 'esper set' operates features. esper serve has to run.`
}

// Validate checks the command line.
func (c *deviceCommand) Validate() error { return checkID(c.Device) }

// checkID says what is wrong with a chip id on the command line.
func checkID(id string) error {
	if id == "" {
		return errors.New("name the device by its chip id, such as 00c0de")
	}
	if !fleet.IsID(id) {
		return fmt.Errorf("%q is not a chip id: it has 6 digits of 0-9 and a-f", id)
	}
	return nil
}

// eachDevice does something for each device. An error that is about one of them only, since it is
// not known or not in that state, does not keep it from the others.
func eachDevice(ids []string, do func(id string) error) error {
	var failed []error
	for _, id := range ids {
		err := do(id)
		failed = append(failed, err)
		problem := new(client.Problem)
		ofOne := errors.As(err, &problem) && (problem.Status == http.StatusNotFound || problem.Status == http.StatusConflict)
		if err != nil && !ofOne {
			break
		}
	}
	return errors.Join(failed...)
}

// deviceReport is what is told of one device.
type deviceReport struct {
	api.Device
	Features []fleet.Feature `json:"features"`
	Runs     []fleet.Run     `json:"runs"`
	Updates  []fleet.Update  `json:"updates"`
}

// Run shows the device.
func (c *deviceCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	device, err := server.Device(ctx, c.Device)
	if err != nil {
		return err
	}
	features, err := server.Features(ctx, c.Device)
	if err != nil {
		return err
	}
	if !c.Watch || !c.JSON {
		events, err := server.History(ctx, c.Device, api.HistoryQuery{Limit: maxHistory})
		if err != nil {
			return err
		}
		report := deviceReport{Device: device, Features: features, Runs: fleet.Runs(events), Updates: fleet.Updates(events)}
		if c.JSON {
			return printJSON(s, report)
		}
		if err := report.print(s); err != nil || !c.Watch {
			return err
		}
		fmt.Fprintln(s.out)
	}
	watch := featureWatch{out: s.out, json: c.JSON, server: server, device: c.Device, known: map[string]fleet.Feature{}}
	if !c.JSON { // they have been printed
		for _, f := range features {
			watch.known[f.Name] = f
		}
	}
	return watch.run(ctx, func(err error) { s.note("%s; connecting again", oneLine(err)) })
}

// lastCost returns what the last update cost that came to its restart or failed, empty if nothing is
// known of that.
func (r deviceReport) lastCost() string {
	for _, u := range slices.Backward(r.Updates) {
		if !u.Ended.IsZero() || u.Seconds > 0 {
			return costText(u)
		}
	}
	return ""
}

// printSettings prints what the settings of the device are at.
func (r deviceReport) printSettings(line func(key, value string)) {
	u := r.Settings
	if u == nil {
		return
	}
	text := u.State
	if u.Candidate != 0 && u.Candidate != u.Sequence {
		text += fmt.Sprintf(" %d", u.Candidate)
	}
	text += fmt.Sprintf(", has %d", u.Sequence)
	if u.Own != 0 {
		text += fmt.Sprintf(" and for itself %d", u.Own)
	}
	if u.From != "" {
		text += ", from " + u.From
	}
	if u.Error != "" {
		text += ": " + u.Error
	}
	line("settings", text)
	if problem := r.Device.Device.SettingsProblem(); problem != "" {
		line("", problem)
	}
	if why := r.SettingsWhy; why != nil && why.Reason != rollout.NoRelease {
		line("settings release", fmt.Sprintf("%s: %s (%s)", orDash(why.Release), why.Explanation, why.Reason))
	}
}

func (r deviceReport) print(s *streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(key, value string) { fmt.Fprintf(w, "%s\t%s\n", key, orDash(value)) }
	line("device", r.ID)
	line("name", r.Name)
	line("group", r.Group)
	line("tags", strings.Join(r.Tags, " "))
	line("presence", r.Presence())
	if r.SleepSlack() > 0 {
		line("wakes at least every", shortDuration(time.Duration(r.Info.Sleep)*time.Second))
		line("wakes next by", localTime(r.WakesBy()))
	}
	line("seen", localTime(r.Seen))
	line("first seen", localTime(r.FirstSeen))
	if i := r.Info; i != nil {
		line("type", i.Device)
		kind := fmt.Sprint("sequence ", i.Version.Sequence)
		if r.Development() {
			kind = "development build"
		}
		line("version", fmt.Sprintf("%s (%s), slot %d", i.Version.ESPer, kind, i.Boot.ROM))
		line("bootloader", fmt.Sprint(i.Version.Boot))
		line("linked for", cmp.Or(i.Version.Link, "unknown"))
		line("last reset", i.Boot.Reset)
		if i.Boot.Latched {
			line("boot mode", "latched: it would not come back from a restart; switch its power off and on")
		}
		network := i.Network.IP + ", " + i.WiFi.SSID
		if i.WiFi.RSSI != 0 {
			network += fmt.Sprintf(", %d dBm", i.WiFi.RSSI)
		}
		line("network", network)
	}
	if r.Why == nil || r.Why.Reason != rollout.IsAhead { // then what it refuses is no problem
		line("update", updateText(r.Device.Device.Device))
		if problem := r.UpdateProblem(); problem != "" {
			line("", problem)
		}
		if u := r.Update; u != nil && u.WithoutDelta() != "" {
			line("", withoutDelta(u.WithoutDelta()))
		}
	}
	if cost := r.lastCost(); cost != "" {
		line("last update", cost)
	}
	if r.Why != nil {
		line("release", fmt.Sprintf("%s: %s (%s)", orDash(r.Why.Release), r.Why.Explanation, r.Why.Reason))
	}
	r.printSettings(line)
	for _, problem := range r.Problems {
		line("problem", problem)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Features) > 0 {
		fmt.Fprintln(s.out)
		if err := printFeatures(s.out, r.Features); err != nil {
			return err
		}
	}
	if len(r.Runs) > 0 {
		fmt.Fprintln(w, "\nRAN\tSLOT\tSINCE\tFOR")
		for _, run := range r.Runs {
			until := run.Until
			if until.IsZero() {
				until = time.Now()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", run.Version, orDash(run.Slot), localTime(run.Since), shortDuration(until.Sub(run.Since)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(r.Updates) == 0 {
		return nil
	}
	fmt.Fprintln(s.out)
	return printUpdates(s, r.Updates)
}
