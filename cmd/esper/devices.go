package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"esper/internal/broker"
	"esper/internal/fleet"
)

// devicesCommand shows what the devices report.
type devicesCommand struct {
	Watch bool          `help:"Go on and show every change, until interrupted."`
	JSON  bool          `name:"json" help:"Print JSON: all devices, or with --watch each change in a line."`
	Wait  time.Duration `default:"5s" placeholder:"TIME" help:"How long the broker may take to tell what it has kept (default: 5s)."`
	brokerFlags
}

// Help is the command's description.
func (c *devicesCommand) Help() string {
	return `Shows what each device reported last. The broker keeps that, so that it is known of devices
that are off, too.

SLOT is the running one, SEEN how long ago the device was heard of since the command began.
With --watch on a terminal the table is kept up to date in its place; elsewhere each change is
printed as a line.`
}

// Run shows the devices.
func (c *devicesCommand) Run(s *streams) error {
	u, realm, err := c.where()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	client, err := dialBroker(ctx, u, log)
	if err != nil {
		return err
	}
	defer client.Close()

	devices, err := followFleet(client, realm, log)
	if err != nil {
		return err
	}
	settling, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	if err := client.Settle(settling); err != nil && ctx.Err() == nil {
		s.note("%s did not say that this is all it has kept", client)
	}
	if c.Watch {
		return watchFleet(ctx, s, devices, c.JSON)
	}
	return c.print(s, devices.Devices(), fmt.Sprintf("no device has reported to realm %s at %s", realm, client))
}

// followFleet subscribes to what the devices of a realm report.
func followFleet(client broker.Client, realm string, log *slog.Logger) (*fleet.Fleet, error) {
	devices := fleet.New(realm, log)
	for _, filter := range fleet.Topics(realm) {
		err := client.Subscribe(filter, func(m broker.Message) {
			at := time.Now()
			if m.Retained {
				at = time.Time{}
			}
			devices.Handle(m.Topic, m.Payload, at)
		})
		if err != nil {
			return nil, err
		}
	}
	return devices, nil
}

// print prints the devices once.
func (c *devicesCommand) print(s *streams, devices []fleet.Device, none string) error {
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(devices)
	}
	if len(devices) == 0 {
		s.note("%s", none)
		return nil
	}
	return printDevices(s.out, devices, time.Now())
}

// printDevices prints a table of devices.
func printDevices(out io.Writer, devices []fleet.Device, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tTYPE\tVERSION\tSLOT\tSTATUS\tUPDATE\tIP\tRSSI\tUPTIME\tSEEN")
	for _, d := range devices {
		slot, ip, rssi, uptime, seen := "-", "-", "-", "-", "-"
		if i := d.Info; i != nil {
			slot = fmt.Sprint(i.Boot.ROM)
			ip = orDash(i.Network.IP)
			rssi = fmt.Sprint(i.WiFi.RSSI)
			uptime = shortDuration(time.Duration(min(i.Uptime, 1<<32)) * time.Second)
		}
		if !d.Seen.IsZero() {
			seen = shortDuration(now.Sub(d.Seen))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, orDash(d.Type()), orDash(d.Version()), slot,
			statusText(d), updateText(d.Update), ip, rssi, uptime, seen)
	}
	return w.Flush()
}

// statusText is whether a device is there, and whether only just: in safe mode its
// features are off.
func statusText(d fleet.Device) string {
	if d.Status == fleet.Online && d.Info != nil && d.Info.Boot.Safe {
		return "SAFE MODE"
	}
	return orDash(d.Status)
}

// updateText is an update status in a few words: "downloading 9c0d1e2f 40%".
func updateText(u *fleet.UpdateStatus) string {
	switch {
	case u == nil:
		return "-"
	case u.Error != "":
		return u.State + " " + u.Error
	case u.State == "downloading":
		return fmt.Sprintf("%s %s %d%%", u.State, u.Version, u.Progress)
	}
	return u.State
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortDuration is a duration in its two largest units: 3d4h, 2h5m, 1m7s, 12s.
func shortDuration(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s >= 86400:
		return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
	case s >= 3600:
		return fmt.Sprintf("%dh%dm", s/3600, s/60%60)
	case s >= 60:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	}
	return fmt.Sprintf("%ds", s)
}
