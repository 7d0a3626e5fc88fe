package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"

	"esper/internal/client"
	"esper/internal/site"
)

// triggerCommand tells devices to look for a new release.
type triggerCommand struct {
	Device []string `arg:"" optional:"" help:"Chip ids of the devices, such as 00c0de."`
	All    bool     `help:"Tell all devices of the realm."`
	tellFlags
}

// Help is the command's description.
func (c *triggerCommand) Help() string {
	return `Tells devices over MQTT to look for a new release now, rather than at their next interval.
It returns when the broker has acknowledged; whether a device is there to hear it, and what
it does then, 'esper devices' tells.

If mqtt.url in esper.toml has a user and password, these are the devices', which may not tell
others anything. Then, or with --server, the server is asked to tell them; with --mqtt any
broker is told directly. At the broker of 'esper serve' that takes an API token: mqtt://NAME:TOKEN@host.`
}

// Validate checks the command line.
func (c *triggerCommand) Validate() error {
	if c.All == (len(c.Device) > 0) {
		return errors.New("name devices, or --all for all of them")
	}
	for _, id := range c.Device {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

// Run tells the devices.
func (c *triggerCommand) Run(s *streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ids := c.Device
	if c.All {
		ids = []string{""}
	}
	done := func(topic, where string) { s.note("published %s at %s", topic, where) }
	if c.Server != "" && c.MQTT == "" { // which knows the broker, also from where there is no site
		return c.tellByServer(ctx, cmp.Or(string(c.Realm), "<realm>"), ids, done)
	}
	return c.tell(ctx, ids, done)
}

// tellFlags say by whom devices are told to look for a release.
type tellFlags struct {
	serverFlags
	MQTT  string `name:"mqtt" env:"ESPER_MQTT" placeholder:"URL" help:"The broker, mqtt://user:password@host:port (default: the site's)."`
	Realm realm  `placeholder:"REALM" help:"First part of every topic (default: the site's)."`
}

// instead implements siteless.
func (f *tellFlags) instead() string {
	switch {
	case f.MQTT != "" && f.Realm != "":
		return "--mqtt with --realm"
	case f.MQTT != "":
		return "" // the realm is the site's
	}
	return f.serverFlags.instead()
}

// tell tells devices to look for a release; an empty id is all of them. After each, done is
// called with the topic and who published there.
func (f *tellFlags) tell(ctx context.Context, ids []string, done func(topic, where string)) error {
	if opened, err := site.Open(f.Site); err == nil && f.MQTT == "" && opened.Config.MQTT.User != "" {
		err := f.tellByServer(ctx, opened.Config.Realm, ids, done)
		if unreachable := new(client.UnreachableError); !errors.As(err, &unreachable) {
			return err
		}
		// Without a server it may be another broker, where that user may do more.
	}
	broker := brokerFlags{Site: f.Site, MQTT: f.MQTT, Realm: f.Realm}
	u, realm, err := broker.where()
	if err != nil {
		return err
	}
	connection, err := dialBroker(ctx, u, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer connection.Close()
	for _, id := range ids {
		if err := connection.Publish(triggerTopic(realm, id), []byte("check"), false); err != nil {
			return err
		}
		done(triggerTopic(realm, id), connection.String())
	}
	return nil
}

// tellByServer lets the server tell them.
func (f *tellFlags) tellByServer(ctx context.Context, realm string, ids []string, done func(topic, where string)) error {
	server, err := f.client()
	if err != nil {
		return err
	}
	return eachDevice(ids, func(id string) (err error) {
		if id == "" {
			err = server.CheckAll(ctx)
		} else {
			_, err = server.Steer(ctx, id, "check")
		}
		if err == nil {
			done(triggerTopic(realm, id), server.Server.Redacted())
		}
		return err
	})
}
