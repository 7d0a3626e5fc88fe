package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"esper/internal/client"
	"esper/internal/devicesetting"
)

// targetFlags say what values are wanted for.
type targetFlags struct {
	Group string `placeholder:"GROUP" help:"All devices of a group."`
	Type  string `placeholder:"TYPE" help:"All devices of a type."`
}

// target returns what is meant, by the flags or the device.
func (f *targetFlags) target(device string) (devicesetting.Scope, string, error) {
	var scopes []devicesetting.Scope
	var of string
	for i, name := range []string{device, f.Group, f.Type} {
		if name != "" {
			scopes, of = append(scopes, devicesetting.Scopes[i]), name
		}
	}
	if len(scopes) != 1 {
		return "", "", errors.New("name one of a device, --group and --type")
	}
	if scopes[0] == devicesetting.OfDevice {
		return scopes[0], of, checkID(of)
	}
	return scopes[0], of, nil
}

// settingsShowCommand shows settings.
type settingsShowCommand struct {
	Device string `arg:"" optional:"" help:"Chip id of the device, such as 00c0de."`
	JSON   bool   `name:"json" help:"Print JSON."`
	targetFlags
	serverFlags
}

// Help is the command's description.
func (c *settingsShowCommand) Help() string {
	return `Shows the settings that the firmware of a device declares in its device.toml: the value that the
device uses, the value that is wanted and for what that was set, the default, and what is allowed.
Of a group or a type, it shows what is wanted. esper serve has to run.`
}

// Validate checks the command line.
func (c *settingsShowCommand) Validate() error {
	_, _, err := c.target(c.Device)
	return err
}

// Run shows the settings.
func (c *settingsShowCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	scope, of, err := c.target(c.Device)
	if err != nil {
		return err
	}
	if scope != devicesetting.OfDevice {
		return c.showWanted(s, server, scope, of)
	}
	d, err := server.DeviceSettings(context.Background(), of)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, d)
	}
	for _, p := range d.Problems {
		s.note("%s", printable(p))
	}
	if len(d.Settings) == 0 {
		s.note("device %s declares no settings", of)
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVALUE\tWANTED\tFOR\tDEFAULT\tALLOWED")
	for _, each := range d.Settings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", each.Name, shownValue(each.Value), shownValue(each.Wanted),
			orDash(string(each.From)), shownValue(&each.Default), allowed(each.Declaration))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, each := range d.Settings {
		if each.Problem != "" {
			s.note("%s: %s", each.Name, printable(each.Problem))
		}
	}
	return nil
}

// showWanted shows what is wanted for a group or a type.
func (c *settingsShowCommand) showWanted(s *streams, server *client.Client, scope devicesetting.Scope, of string) error {
	all, err := server.WantedSettings(context.Background(), scope, of)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, all)
	}
	if len(all) == 0 {
		s.note("nothing is wanted for %s %s", scope, of)
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tWANTED")
	for _, each := range all {
		fmt.Fprintf(w, "%s\t%s\n", each.Name, shownValue(&each.Value))
	}
	return w.Flush()
}

// shownValue returns a value as it is shown: what is unknown or nobody wants as a dash, texts that
// are empty or end in blanks in quotes.
func shownValue(value *string) string {
	if value == nil {
		return "-"
	}
	if quoted := fmt.Sprintf("%q", *value); *value == "" || *value == "-" || (*value)[0] == ' ' || (*value)[len(*value)-1] == ' ' {
		return quoted
	}
	return printable(*value)
}

// allowed returns which values a setting can have, in words.
func allowed(d devicesetting.Declaration) string {
	switch d.Type {
	case devicesetting.Switch:
		return "1, 0"
	case devicesetting.Number:
		least, most, step := d.Bounds()
		text := fmt.Sprintf("%d to %d", least, most)
		if step > 1 {
			text += fmt.Sprintf(" in steps of %d", step)
		}
		if d.Unit != "" {
			text += " " + d.Unit
		}
		return printable(text)
	case devicesetting.Select:
		return printable(strings.Join(d.Options, ", "))
	}
	return fmt.Sprintf("text of %d bytes", d.Length)
}

// setWanted sets a setting of device code.
func (c *settingsSetCommand) setWanted() error {
	server, err := c.client()
	if err != nil {
		return err
	}
	scope, of, err := c.target(c.Device)
	if err != nil {
		return err
	}
	return server.SetWantedSetting(context.Background(), devicesetting.Wanted{Scope: scope, Of: of, Name: c.Name, Value: *c.Value})
}

// settingsUnsetCommand ends what settingsSetCommand began.
type settingsUnsetCommand struct {
	Name   string `arg:"" help:"The setting."`
	Device string `placeholder:"ID" help:"One device, by its chip id."`
	targetFlags
	serverFlags
}

// Help is the command's description.
func (c *settingsUnsetCommand) Help() string {
	return `Has no value of a setting wanted any more. A device gets what is wanted for its group or its type;
without that it keeps the value that it uses, and others may change it. esper serve has to run.`
}

// Validate checks the command line.
func (c *settingsUnsetCommand) Validate() error {
	_, _, err := c.target(c.Device)
	return err
}

// Run ends it.
func (c *settingsUnsetCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	scope, of, err := c.target(c.Device)
	if err != nil {
		return err
	}
	return server.UnsetWantedSetting(context.Background(), scope, of, c.Name)
}
