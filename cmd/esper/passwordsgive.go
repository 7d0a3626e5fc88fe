package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"esper/internal/api"
	"esper/internal/client"
	"esper/internal/settings"
	"esper/internal/site"
)

// passwordsGiveCommand gives devices passwords of their own over the air.
type passwordsGiveCommand struct {
	Device []string `arg:"" optional:"" help:"Chip ids of the devices, such as 00c0de (default: all that have no password of their own)."`
	Key    []string `env:"ESPER_KEY" placeholder:"FILE" sep:"none" help:"Private key to sign with; up to three (default: the site's, see 'esper secrets --help')."`
	Yes    bool     `help:"Do not ask."`
	serverFlags
}

// Help is the command's description.
func (c *passwordsGiveCommand) Help() string {
	return `Makes a password for each device, registers its hash with the server, and publishes it there, sealed
with the fleet's key, in a settings release for that device alone, with the device's own key if the site
has a devices.key. A device tries the password while it keeps the shared one, and goes back to that if the
broker does not let it in.

The fleet's key is in each device, so whoever has taken it out of one and listens can read these
passwords, as those that devices show to the broker. 'esper flash' gives them out of hearing.`
}

// Validate checks the command line.
func (c *passwordsGiveCommand) Validate() error { return checkIDs(c.Device) }

// instead implements siteless: what seals and signs is the site's.
func (c *passwordsGiveCommand) instead() string { return "" }

// Run gives them.
func (c *passwordsGiveCommand) Run(s *streams) error {
	ctx := context.Background()
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	if _, err := (&settingsReleaseCommand{}).entries(s, opened); err != nil {
		return err
	}
	sign, err := signingKeys(s, opened, c.Key)
	if err != nil {
		return err
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	devices, err := c.devices(ctx, s, server)
	if err != nil || len(devices) == 0 {
		if err == nil {
			s.note("there is no device to give a password of its own")
		}
		return err
	}
	if !c.Yes {
		s.note("%s: %s", plural(len(devices), "device"), list(idsOf(devices)))
		if err := confirm(s, "give them passwords of their own?"); err != nil {
			return err
		}
	}
	given := 0
	for _, d := range devices {
		err := c.give(ctx, server, opened, d, sign)
		if err != nil {
			return hint(fmt.Errorf("%s: %w", d.ID, err), "%d of %d devices have been given one; the same command goes on with the others", given, len(devices))
		}
		given++
	}
	s.note("%s will find a password of their own at their next check; 'esper passwords' shows which use it", plural(given, "device"))
	return nil
}

// devices returns those that are to get a password.
func (c *passwordsGiveCommand) devices(ctx context.Context, s *streams, server *client.Client) ([]api.Device, error) {
	all, err := server.Devices(ctx, api.DeviceQuery{})
	if err != nil {
		return nil, err
	}
	known, err := server.DevicePasswords(ctx)
	if err != nil {
		return nil, err
	}
	wanted := c.Device
	if len(wanted) == 0 {
		wanted = api.WithoutPassword(all, known)
	}
	var devices []api.Device
	for _, d := range all {
		if slices.Contains(wanted, d.ID) {
			devices = append(devices, d)
		}
	}
	if len(devices) < len(wanted) {
		missing := slices.DeleteFunc(slices.Clone(wanted), func(id string) bool { return slices.Contains(idsOf(devices), id) })
		return nil, hint(fmt.Errorf("%s: no such device", strings.Join(missing, ", ")), "'esper devices' lists those that there are")
	}
	const firmware = `it takes firmware that was built with [build] secrets = "move" or "settings"`
	without := slices.DeleteFunc(slices.Clone(devices), func(d api.Device) bool { return d.Settings != nil })
	switch {
	case len(without) == 0:
	case len(c.Device) > 0:
		return nil, hint(fmt.Errorf("%s: no settings in flash that could hold a password", strings.Join(idsOf(without), ", ")), firmware)
	default:
		s.note("%s without settings in flash, left out: %s", plural(len(without), "device"), firmware)
	}
	return slices.DeleteFunc(devices, func(d api.Device) bool { return d.Settings == nil }), nil
}

func idsOf(devices []api.Device) (ids []string) {
	for _, d := range devices {
		ids = append(ids, d.ID)
	}
	return ids
}

// give publishes a password for one device.
func (c *passwordsGiveCommand) give(ctx context.Context, server *client.Client, opened *site.Site, d api.Device, sign []ed25519.PrivateKey) error {
	if d.Info == nil {
		return errors.New("has not said of what type it is")
	}
	made, err := server.MakeDevicePasswords(ctx, []string{d.ID})
	if err != nil {
		return err
	}
	entries := settings.Entries{settings.OfTexts(settings.DevicePasswordName, made[d.ID])}
	if key := opened.Config.DeviceKey(d.ID); key != nil {
		entries = append(entries, settings.OfBytes(settings.DeviceKeyName, key))
	}
	release := &settingsReleaseCommand{All: true}
	to := remoteSettings{server, false}
	o, err := release.prepare(ctx, to, receiver{d.Info.Device, d.ID}, entries, opened.Config.Keys(), sign)
	if err != nil {
		return settingsPublishHint(err)
	}
	_, err = to.publish(ctx, o.Type, o.file, false)
	return settingsPublishHint(err)
}
