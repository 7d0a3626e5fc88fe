package main

import (
	"errors"
	"io/fs"

	"esper/firmware"
	"esper/internal/site"
)

// newCommand makes parts of a site.
type newCommand struct {
	DeviceType newDeviceTypeCommand `cmd:"" help:"Make a device type."`
}

// newDeviceTypeCommand makes a device type.
type newDeviceTypeCommand struct {
	Name string `arg:"" help:"Its name: 1 to 31 of a-z, 0-9 and -, the first a letter."`
	From string `placeholder:"TYPE" help:"Shipped device type to start from, of those above (default: one without features)."`
	Site string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
}

// Help is the command's description.
func (c *newDeviceTypeCommand) Help() string {
	return `Makes the folder devices/NAME with a source to start from. Nothing is overwritten. It becomes
part of the site when it is committed. --from begins with one that ships:

  socket       a relay                    button      a relay and a button
  sensor       brightness                 contact     a door or window
  dimmer       an LED with brightness     temperature a thermistor
  meter        an energy meter (S0)       cover       a shutter with two relays
  doorbell     a button and a gong        thermostat  target, mode, heating relay
  projector    at the serial line         sleeper     a sensor on a battery

What they show, and how to go on, is in docs/device-code.md.

The folder can hold further sources and a device.toml with the board, flash mode, constants and
libraries of that type: docs/device-types.md. 'esper boards' lists boards.`
}

// Run makes the device type.
func (c *newDeviceTypeCommand) Run(s *streams) error {
	devices, err := fs.Sub(firmware.Files, site.DevicesDir)
	if err != nil {
		return err
	}
	paths, err := site.AddType(c.Site, c.Name, devices, c.From)
	switch {
	case errors.Is(err, fs.ErrExist):
		return hint(err, "new overwrites nothing; choose another name")
	case errors.Is(err, site.ErrNoSite):
		return hint(err, "'esper init' makes a site")
	case err != nil:
		return err
	}
	for _, path := range paths {
		s.note("made %s", path)
	}
	s.note("next:")
	s.note("  edit it, then try it: esper build --type %s", c.Name)
	s.note("  git add . && git commit -m 'Device type %s'", c.Name)
	s.note("  esper release")
	return nil
}
