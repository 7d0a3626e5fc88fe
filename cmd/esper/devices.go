package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"esper/internal/api"
	"esper/internal/broker"
	"esper/internal/fleet"
)

// devicesCommand shows what the devices report.
type devicesCommand struct {
	Watch bool          `help:"Go on and show every change, until interrupted."`
	JSON  bool          `name:"json" help:"Print JSON: all devices, or with --watch each change in a line."`
	MQTT  string        `name:"mqtt" placeholder:"URL" help:"Ask this broker, mqtt://user:password@host:port, and not the server."`
	Realm realm         `placeholder:"REALM" help:"With --mqtt: first part of every topic (default: the site's)."`
	Wait  time.Duration `default:"5s" placeholder:"TIME" help:"With --mqtt: how long the broker may take to tell what it has kept (default: 5s)."`
	serverFlags
}

// Help is the command's description.
func (c *devicesCommand) Help() string {
	return `Shows what each device reported last, as the server knows it. Where no esper serve runs, but a
broker and a web server, --mqtt shows what the broker keeps.

SLOT is the running one, SEEN how long ago the device was heard of; a broker does not tell that,
so with --mqtt it is since the command began. With --watch on a terminal the table is kept up to date in its place; elsewhere each change is
printed as a line.`
}

// Validate checks the command line.
func (c *devicesCommand) Validate() error {
	if c.Realm != "" && c.MQTT == "" {
		return errors.New("--realm goes with --mqtt: the server knows its own")
	}
	return nil
}

// instead implements siteless.
func (c *devicesCommand) instead() string {
	return (&tellFlags{c.serverFlags, c.MQTT, c.Realm}).instead()
}

// Run shows the devices.
func (c *devicesCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.MQTT != "" {
		return c.askBroker(ctx, s)
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if c.Watch {
		devices, err := server.Follow(ctx, func(err error) { s.note("%v; connecting again", err) })
		if err != nil {
			return err
		}
		return watchDevices(ctx, s, devices, c.JSON)
	}
	found, err := server.Devices(ctx, api.DeviceQuery{})
	if err != nil {
		return err
	}
	return c.print(s, found, "no device has reported to "+server.Server.Redacted())
}

// askBroker shows what a broker keeps of the devices.
func (c *devicesCommand) askBroker(ctx context.Context, s *streams) error {
	where := brokerFlags{Site: c.Site, MQTT: c.MQTT, Realm: c.Realm}
	u, realm, err := where.where()
	if err != nil {
		return err
	}
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
		return watchDevices(ctx, s, broadcast{devices}, c.JSON)
	}
	return c.print(s, reported(devices.Devices()), fmt.Sprintf("no device has reported to realm %s at %s", realm, client))
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

// broadcast is what a broker tells of devices.
type broadcast struct{ *fleet.Fleet }

// Devices implements live.
func (b broadcast) Devices() []api.Device { return reported(b.Fleet.Devices()) }

// reported are devices of which only is known what they report.
func reported(devices []fleet.Device) []api.Device {
	all := make([]api.Device, len(devices))
	for i, d := range devices {
		all[i].Device.Device = d
	}
	return all
}

// print prints the devices once.
func (c *devicesCommand) print(s *streams, devices []api.Device, none string) error {
	if c.JSON {
		return printJSON(s, devices)
	}
	if len(devices) == 0 {
		s.note("%s", none)
		return nil
	}
	return printDevices(s.out, devices, time.Now())
}

// printDevices prints a table of devices.
func printDevices(out io.Writer, devices []api.Device, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tNAME\tTYPE\tVERSION\tSLOT\tSTATUS\tUPDATE\tIP\tRSSI\tUPTIME\tSEEN")
	for _, d := range devices {
		slot, ip, rssi, uptime, seen := "-", "-", "-", "-", "-"
		if i := d.Info; i != nil {
			slot = fmt.Sprint(i.Boot.ROM)
			ip = orDash(i.Network.IP)
			if i.WiFi.RSSI != 0 {
				rssi = fmt.Sprint(i.WiFi.RSSI)
			}
			uptime = shortDuration(time.Duration(min(i.Uptime, 1<<32)) * time.Second)
		}
		if !d.Seen.IsZero() {
			seen = shortDuration(now.Sub(d.Seen))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, orDash(d.Name), orDash(d.Type()), orDash(d.Version()), slot,
			statusText(d), updateText(d.Device.Device), ip, rssi, uptime, seen)
	}
	return w.Flush()
}

// statusText is whether a device is there, and whether only just: in safe mode its
// features are off.
func statusText(d api.Device) string {
	if d.Status == fleet.Online && d.Info != nil && d.Info.Boot.Safe {
		return "SAFE MODE"
	}
	return orDash(d.Presence())
}

// updateText is a device's update status in a few words: "downloading 9c0d1e2f 40%". What they
// mean, 'esper device' says.
func updateText(d fleet.Device) string {
	u := d.Update
	switch {
	case u == nil:
		return "-"
	case d.Unpublished():
		return "none published"
	case u.State == "downloading":
		return fmt.Sprintf("%s %s %d%%", u.State, u.Version, u.Progress)
	case u.HTTPStatus != 0:
		return fmt.Sprintf("%s %s %d", u.State, u.Error, u.HTTPStatus)
	case u.Error != "":
		return u.State + " " + u.Error
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
