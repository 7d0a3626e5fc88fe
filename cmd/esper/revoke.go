package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"esper/internal/api"
)

// revokeCommand shuts devices out of the broker.
type revokeCommand struct {
	Device []string `arg:"" help:"Chip ids of the devices, such as 00c0de."`
	Undo   bool     `help:"Let them in again, with the passwords that they have."`
	Yes    bool     `help:"Do not ask."`
	JSON   bool     `name:"json" help:"Print JSON: how the devices log in then."`
	serverFlags
}

// Help is the command's description.
func (c *revokeCommand) Help() string {
	return `For a device that was stolen, sold or lost. The broker lets it in no more, whatever
password it shows, also the one that all devices share, and ends its connection within 5 s. The
device goes on with its work, but reports nothing and obeys nobody; firmware it still finds over
HTTP.

What is in its flash is not taken back: the password of the WiFi network, which should be changed,
and that of the broker which all devices share. Whoever has that can still pose as a device that has
no password of its own ('esper passwords').

When the board is back, give it a new password while you flash it, and then 'esper revoke --undo':
of a revoked device, a new password takes the place of those that somebody may have read.`
}

// Validate checks the command line.
func (c *revokeCommand) Validate() error { return checkIDs(c.Device) }

// Run revokes the devices.
func (c *revokeCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ctx := context.Background()
	list, err := server.DevicePasswords(ctx)
	if err != nil {
		return err
	}
	if !c.Undo && !c.Yes {
		s.note("%s: not let in over MQTT any more. %s",
			strings.Join(c.Device, ", "), effectOf(list.Broker))
		if err := confirm(s, "revoke?"); err != nil {
			return err
		}
	}
	do := server.RevokeDevice
	if c.Undo {
		do = server.RestoreDevice
	}
	changed := []api.DevicePassword{}
	err = eachDevice(c.Device, func(id string) error {
		p, err := do(ctx, id)
		if err != nil {
			return err
		}
		changed = append(changed, p)
		if !c.JSON {
			s.note("%s", outcomeOf(p, list))
		}
		return nil
	})
	if c.JSON {
		err = errors.Join(err, printJSON(s, changed))
	}
	return err
}

// effectOf says what a revocation does with a broker.
func effectOf(b api.Broker) string {
	switch b {
	case api.OpenBroker:
		return "But the broker asks nobody for a password, so it goes on letting them in; " +
			"a user and password in mqtt.url change that"
	case api.ExternalBroker:
		return "The broker is not the server's own: " +
			"'esper passwords mosquitto FILE' tells Mosquitto"
	}
	return "Connections end within 5 s; 'esper revoke --undo' lets them in again"
}

// outcomeOf says how a device logs in now.
func outcomeOf(p api.DevicePassword, list api.DevicePasswords) string {
	switch {
	case list.Broker != api.EmbeddedBroker && !p.Revoked.IsZero():
		return p.ID + " is revoked. " + effectOf(list.Broker)
	case !p.Revoked.IsZero():
		return p.ID + " is revoked, and loses its connection within 5 s"
	case loginOf(p, list.Shared) == "nothing":
		return p.ID + " is not revoked any more, but has no password of its own, " +
			"and the shared one is switched off"
	}
	return p.ID + " is let in again"
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 100

// confirm asks a person, who answers yes or y; anything else is an error.
func confirm(s *streams, question string) error {
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(s.in, maxAnswer)).ReadString('\n')
	if err != nil { // nobody has answered
		s.note("")
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return hint(errors.New("not confirmed, so nothing was changed"), "answer y, or --yes")
}
