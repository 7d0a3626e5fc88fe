package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"esper/internal/api"
	"esper/internal/store"
)

// findCommand finds devices in the inventory.
type findCommand struct {
	Condition store.Condition `arg:"" optional:"" enum:"failed,updating,vanished,crash-looping,unknown-version,old-bootloader,lagging,ahead," default:"" help:"failed, updating, vanished, crash-looping, unknown-version, old-bootloader, lagging or ahead (default: all devices)."`
	Type      string          `placeholder:"TYPE" help:"Only devices of this type."`
	Group     string          `placeholder:"GROUP" help:"Only devices of this group."`
	Tag       string          `placeholder:"TAG" help:"Only devices with this tag."`
	Boot      uint32          `placeholder:"VERSION" help:"With old-bootloader: the oldest that is good (default: the newest that any device has)."`
	JSON      bool            `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *findCommand) Help() string {
	return `Finds devices in the inventory that esper serve keeps:

  failed           their last update failed or was rolled back, or they failed with the newest
                   release and do not run it; 'esper history ID --updates' says why
  updating         they are at an update now, or try it out
  vanished         online by their status, but silent for three minutes; or asleep, but silent for
                   twice the time that they sleep at most
  crash-looping    three exceptions or watchdog resets of a version within 15 minutes, or in safe mode
  unknown-version  they run what was never published here, and no development build
  old-bootloader   their bootloader is older than that of others
  lagging          for a day they have been meant to run a newer release, and do not; those that
                   sleep have twice their rhythm more
  ahead            they run something newer than the newest release, a build that somebody flashed

esper serve has to run.`
}

// Run finds the devices.
func (c *findCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	devices, err := server.Devices(context.Background(), api.DeviceQuery{
		Type: c.Type, Group: c.Group, Tag: c.Tag, Condition: c.Condition, OldBoot: c.Boot,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, devices)
	}
	if len(devices) == 0 {
		s.note("none of the devices that are known is like that")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tNAME\tGROUP\tTYPE\tVERSION\tPRESENCE\tUPDATE\tSEEN")
	for _, d := range devices {
		seen := "-"
		if !d.Seen.IsZero() {
			seen = shortDuration(time.Since(d.Seen))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, orDash(d.Name), orDash(d.Group), orDash(d.Type()),
			orDash(d.Version()), orDash(d.Presence()), updateText(d.Device.Device), seen)
	}
	return w.Flush()
}
