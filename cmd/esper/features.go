package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"esper/internal/api"
	"esper/internal/client"
	"esper/internal/fleet"
)

// setCommand operates a feature.
type setCommand struct {
	Device  string `arg:"" help:"Chip id of the device, such as 00c0de."`
	Feature string `arg:"" help:"Name of the feature, as 'esper device' shows it."`
	Value   string `arg:"" help:"What it shall do: on, a number, an option, press, open, and so on."`
	serverFlags
}

// Help is the command's description.
func (c *setCommand) Help() string {
	return `Sends a command to a feature of a device that is online. What a feature takes depends on its
kind:

  switch  on, off, 1 or 0
  light   the same; with brightness or colour also '{"brightness":128}' or
          '{"color":{"r":255,"g":128,"b":0}}'
  number  a number, such as 21.5; a negative one after --, as in: esper set 00c0de offset -- -2
  select  one of its options
  button  press
  cover   open, close or stop; if it knows its position, also 0 (closed) to 100 (open)

Another value is refused with those that are allowed. The device answers with the state that the
command led to: 'esper device 00c0de --watch' shows it. esper serve has to run.`
}

// Validate checks the command line.
func (c *setCommand) Validate() error { return checkID(c.Device) }

// Run sends the command.
func (c *setCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ctx := context.Background()
	features, err := server.Features(ctx, c.Device)
	if err != nil {
		return err
	}
	value := c.Value
	for _, f := range features {
		if f.Name == c.Feature && (f.Kind == fleet.Switch || f.Kind == fleet.Light) {
			value = switched(value)
		}
	}
	if err := server.SetFeature(ctx, c.Device, c.Feature, value); err != nil {
		return err
	}
	s.note("told %s of device %s: %s", c.Feature, c.Device, printable(value))
	return nil
}

// switched returns the command that people mean by on and off.
func switched(value string) string {
	switch value {
	case "on":
		return "1"
	case "off":
		return "0"
	}
	return value
}

// printFeatures prints a table of features: what people operate first, what is hidden last.
func printFeatures(out io.Writer, features []fleet.Feature) error {
	place := func(f fleet.Feature) int {
		if f.Attributes.Hidden() {
			return 3
		}
		return slices.Index([]string{"", "config", "diagnostic"}, f.Attributes.Category)
	}
	byPlace := func(a, b fleet.Feature) int { return cmp.Compare(place(a), place(b)) }
	sorted := slices.SortedStableFunc(slices.Values(features), byPlace)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FEATURE\tSTATE\tKIND\tNAME")
	for _, f := range sorted {
		kind := orDash(f.Kind)
		if f.Attributes.Category != "" {
			kind += ", " + f.Attributes.Category
		}
		if f.Attributes.Hidden() {
			kind += ", hidden"
		}
		name := orDash(printable(f.Attributes.Name))
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, featureText(f), kind, name)
	}
	return w.Flush()
}

// featureText returns the state of a feature, of an event with its time.
func featureText(f fleet.Feature) string {
	switch {
	case f.Problem != "":
		return "not usable"
	case f.At.IsZero():
		return orDash(printable(f.Words()))
	}
	return printable(f.Words()) + ", " + localTime(f.At)
}

// featureWatch prints what the features of a device become.
type featureWatch struct {
	out    io.Writer
	json   bool
	server *client.Client
	device string
	known  map[string]fleet.Feature // by name
}

// read reads all features anew and prints those that have changed.
func (w *featureWatch) read(ctx context.Context) error {
	features, err := w.server.Features(ctx, w.device)
	if err != nil {
		return err
	}
	for _, f := range features {
		if err := w.take(f); err != nil {
			return err
		}
	}
	return nil
}

// take prints a feature if its state is another one than before, or an event has happened.
func (w *featureWatch) take(f fleet.Feature) error {
	before, known := w.known[f.Name]
	w.known[f.Name] = f
	if known && before.Value == f.Value && before.At.Equal(f.At) && before.Problem == f.Problem {
		return nil
	}
	if w.json {
		return json.NewEncoder(w.out).Encode(f)
	}
	if f.Value == "" && f.Problem == "" && !known {
		return nil
	}
	now := time.Now().Format(time.TimeOnly)
	_, err := fmt.Fprintf(w.out, "%s  %s: %s\n", now, printable(f.Title()), featureText(f))
	return err
}

// happened takes in an event of the server.
func (w *featureWatch) happened(ctx context.Context, name string, data []byte) error {
	switch name {
	case api.HelloEvent:
		return w.read(ctx)
	case api.DeviceEvent: // perhaps its attributes
		var d struct{ ID string }
		if err := json.Unmarshal(data, &d); err != nil || d.ID != w.device {
			return err
		}
		return w.read(ctx)
	case api.FeatureEvent:
		var f fleet.Feature
		if err := json.Unmarshal(data, &f); err != nil || f.Device != w.device {
			return err
		}
		f.Attributes = w.known[f.Name].Attributes
		return w.take(f)
	}
	return nil
}

// run follows until the context ends, and connects again when the connection breaks.
func (w *featureWatch) run(ctx context.Context, note func(error)) error {
	handle := func(name string, data []byte) error { return w.happened(ctx, name, data) }
	for {
		err := w.server.Events(ctx, handle)
		if ctx.Err() != nil {
			return nil
		}
		problem := new(client.Problem)
		if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
			return err // it has been removed
		}
		note(err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}
