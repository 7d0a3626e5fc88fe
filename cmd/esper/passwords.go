package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"esper/internal/api"
	"esper/internal/mosquitto"
	"esper/internal/site"
)

// passwordsCommand is about the devices' own passwords.
type passwordsCommand struct {
	List      passwordsListCommand      `cmd:"" default:"withargs" help:"List the devices that have any or are revoked."`
	Give      passwordsGiveCommand      `cmd:"" help:"Give devices in the field a password of their own, over the air."`
	Forget    passwordsForgetCommand    `cmd:"" help:"Have devices log in with the shared password again."`
	Mosquitto passwordsMosquittoCommand `cmd:"" help:"Write the password file of Mosquitto."`
}

// Help is the command's description.
func (c *passwordsCommand) Help() string {
	return `A device can have a password of its own for MQTT: its user name there is its chip id. As
soon as it has logged in with that, the password that all share is refused for it, so that whoever
has taken the shared one out of another device cannot pose as it. 'esper revoke' shuts one device
out.

The server keeps hashes of the passwords, which lead back to none. 'shared = false' in [mqtt] of
esper.toml has no device use the shared password any more.`
}

// passwordsListCommand lists devices.
type passwordsListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
	serverFlags
}

// Run lists the devices.
func (c *passwordsListCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	list, err := server.DevicePasswords(context.Background())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, list)
	}
	switch list.Broker {
	case api.OpenBroker:
		s.note("the broker asks nobody for a password, so none of this counts; " +
			"a user and password in mqtt.url change that")
	case api.ExternalBroker:
		s.note("a broker of your own decides who is let in, and does not tell who was; " +
			"'esper passwords mosquitto FILE' tells Mosquitto")
	case api.EmbeddedBroker:
		if !list.Shared {
			s.note("the shared password is switched off: other devices are not let in")
		}
	}
	if len(list.Devices) == 0 {
		s.note("no device has a password of its own, and none is revoked")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tLOGS IN WITH\tSINCE\tNEWEST\tREVOKED")
	for _, p := range list.Devices {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.ID, loginOf(p, list.Shared),
			localTime(p.Used), newestOf(p), localTime(p.Revoked))
	}
	return w.Flush()
}

// loginOf says with what a device logs in.
func loginOf(p api.DevicePassword, shared bool) string {
	switch {
	case !p.Revoked.IsZero():
		return "nothing"
	case !p.Used.IsZero():
		return "its own"
	case p.Pending && !shared:
		return "its own"
	case p.Pending:
		return "either"
	case shared:
		return "the shared one"
	}
	return "nothing"
}

// newestOf says when a device's newest password was made, and whether the device has it.
func newestOf(p api.DevicePassword) string {
	if p.Pending {
		return localTime(p.Made) + " (not used yet)"
	}
	return localTime(p.Made)
}

// passwordsForgetCommand forgets devices' own passwords.
type passwordsForgetCommand struct {
	Device []string `arg:"" help:"Chip ids of the devices, such as 00c0de."`
	JSON   bool     `name:"json" help:"Print JSON: how the devices log in then."`
	serverFlags
}

// Help is the command's description.
func (c *passwordsForgetCommand) Help() string {
	return `For a device that has lost its own password, such as a board that was flashed again
without one. It is let in with the shared password then. A device that still has its own tries that
first, and then the shared one.`
}

// Validate checks the command line.
func (c *passwordsForgetCommand) Validate() error { return checkIDs(c.Device) }

// Run forgets the passwords.
func (c *passwordsForgetCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	forgotten := []api.DevicePassword{}
	err = eachDevice(c.Device, func(id string) error {
		p, err := server.ForgetDevicePassword(context.Background(), id)
		if err == nil {
			forgotten = append(forgotten, p)
		}
		return err
	})
	if c.JSON {
		err = errors.Join(err, printJSON(s, forgotten))
	}
	return err
}

// checkIDs returns what is wrong with the first of some chip ids that is none.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

// passwordsMosquittoCommand writes a password file.
type passwordsMosquittoCommand struct {
	File string `arg:"" type:"path" help:"The file that password_file in mosquitto.conf names."`
	databaseFlags
}

// Help is the command's description.
func (c *passwordsMosquittoCommand) Help() string {
	return `Brings Mosquitto's password file up to date with the server's database, which the
command opens itself: the devices' own passwords, without devices that are revoked, and the user
and password of mqtt.url, unless [mqtt] has 'shared = false'. Other users stay as they are, but for
those whose names are chip ids. Mosquitto reads the file again when it is sent SIGHUP.

Of each device the newest password counts, whether it has it or not; Mosquitto does not tell. So a
device that is to have a new one may be left with the shared one for a time. Mosquitto lets revoked
devices in with the shared password, too: it is worth something only with 'shared = false'.

examples/mosquitto.acl in the sources of ESPer says what each user may do, and mosquitto-own.acl the
same without the shared password.`
}

// Run writes the file.
func (c *passwordsMosquittoCommand) Run(s *streams) error {
	ctx := context.Background()
	accounts := mosquitto.Accounts{Devices: map[string]string{}}
	opened, err := site.Open(c.Site)
	switch {
	case errors.Is(err, site.ErrNoSite) && c.Database != "":
		s.note("outside a site the user of mqtt.url is not known: it stays as it is in the file")
	case errors.Is(err, site.ErrNoSite):
		// c.open says what to do.
	case err != nil:
		return err
	default:
		if err := opened.Unlocked(site.MQTTPassword); err != nil {
			return secretHint(err)
		}
		m := opened.Config.MQTT
		accounts.Shared, accounts.Password = m.User, m.Password.Reveal()
		accounts.Without = m.OwnOnly
	}
	from, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	logins, err := from.DeviceLogins(ctx)
	if err != nil {
		return err
	}
	revoked := 0
	for _, l := range logins {
		newest, ok := l.Newest()
		switch {
		case !l.Revoked.IsZero():
			revoked++
		case ok:
			accounts.Devices[l.ID] = newest.Mosquitto
		}
	}
	if accounts.Without && len(accounts.Devices) == 0 {
		err := errors.New("no device could log in: esper.toml switches the shared password off, " +
			"and no device has one of its own")
		return hint(err, "give them some first, with shared = true in [mqtt]")
	}
	changed, err := mosquitto.Update(c.File, accounts)
	if errors.Is(err, os.ErrPermission) {
		return hint(err, "run this as the user that Mosquitto's file belongs to, or as root")
	}
	if err != nil {
		return err
	}
	if revoked > 0 && accounts.Shared != "" && !accounts.Without {
		s.note("%s revoked; Mosquitto lets them in with the shared password all the same, "+
			"until [mqtt] in esper.toml has 'shared = false'",
			countOf(revoked, "device is", "devices are"))
	}
	devices := countOf(len(accounts.Devices), "device", "devices")
	if !changed {
		s.note("%s is up to date, with %s", c.File, devices)
		return nil
	}
	s.note("%s is written, with %s; have Mosquitto read it: send it SIGHUP, "+
		"such as by 'systemctl reload mosquitto'", c.File, devices)
	return nil
}

// countOf is a number with what it counts.
func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
