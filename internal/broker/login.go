package broker

import (
	"crypto/subtle"
	"errors"
	"maps"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"esper/internal/access"
)

// recheck is how often the logins of those who are connected are checked again.
const recheck = 2 * time.Second

// admit says who a client is, or for what reason it is refused: one word for the statistics,
// and what to tell.
func (g *gate) admit(client *mqtt.Client, p packets.Packet) (who *party, reason, why string) {
	if who, reason, why = g.identify(client.ID, p); reason != "" {
		return nil, reason, why
	}
	id := client.ID
	switch {
	case len(id) > maxClientID:
		return nil, "client-id", "the client id is too long"
	case id == mqtt.InlineClientId, !who.isDevice() && !who.isAnyone() && isChipID(id):
		return nil, "client-id", "the client id is another's" // whose connection would end
	case p.Connect.WillFlag && !g.mayLeave(who, id, p.Connect.WillTopic):
		return nil, "will", "the last will is on a topic that the client may not publish"
	}
	return who, "", ""
}

// mayLeave reports whether a client may have a last will on a topic.
func (g *gate) mayLeave(who *party, id, topic string) bool {
	return g.fits(topic) && g.rights.publish(who, id, topic)
}

// identify finds out who a client is by its user and password.
func (g *gate) identify(id string, p packets.Packet) (who *party, reason, why string) {
	user, secret := string(p.Connect.Username), string(p.Connect.Password)
	o := &g.options
	if o.User == "" && o.Password == "" {
		return &party{}, "", ""
	}
	if equal(user, o.User) && equal(secret, o.Password) {
		switch {
		case !isChipID(id):
			return nil, "client-id", notADevice
		case !asDevicesDo(p):
			return nil, "client-id", notAsDevicesDo
		case o.OwnOnly:
			return nil, "password", "devices log in with their own passwords only"
		}
		return g.identifyDevice(&party{device: id})
	}
	if _, own := access.SumDevice(secret); own && o.Devices != nil {
		switch {
		case !isChipID(id) || user != id:
			return nil, "client-id", notThatDevice
		case !asDevicesDo(p):
			return nil, "client-id", notAsDevicesDo
		}
		return g.identifyDevice(&party{device: id, secret: secret})
	}
	if o.Token == nil || user == "" || equal(user, o.User) {
		return nil, "password", wrongPassword
	}
	bearer, err := o.Token(user, secret)
	switch {
	case errors.Is(err, access.ErrUnavailable):
		return nil, "unavailable", "it cannot be seen which tokens there are"
	case err != nil:
		return nil, "password", wrongPassword
	}
	who = &party{name: user, secret: secret}
	who.role.Store(bearer.Role)
	return who, "", ""
}

// identifyDevice lets in a device, unless its password is wrong, it should show its own instead of
// the shared one, or it is revoked.
func (g *gate) identifyDevice(p *party) (who *party, reason, why string) {
	err := g.checkDevice(p)
	switch {
	case err == nil:
		return p, "", ""
	case errors.Is(err, access.ErrRevoked):
		return nil, "revoked", err.Error()
	case errors.Is(err, access.ErrOwnPassword):
		return nil, "password", err.Error() + ", and the shared one is refused"
	}
	return nil, "password", wrongPassword
}

// checkDevice returns why a device is not let in with what it has shown.
func (g *gate) checkDevice(p *party) error {
	switch devices := g.options.Devices; {
	case devices == nil:
		return nil
	case p.secret != "":
		return devices.Own(p.device, p.secret)
	default:
		return devices.Shared(p.device)
	}
}

// Why a client is not let in.
const (
	wrongPassword = "wrong user or password"
	notADevice    = "these are the devices' user and password, and the client id is no chip id; " +
		"others log in with an API token"
	notThatDevice  = "the password is a device's own, whose chip id is both user and client id"
	notAsDevicesDo = "no device logs in like this: with another MQTT than 3.1.1, or to resume " +
		"a session"
)

// asDevicesDo reports whether a login is one as the firmware makes it.
func asDevicesDo(p packets.Packet) bool { return p.ProtocolVersion == 4 && p.Connect.Clean }

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// watchLogins ends the connections of those who would not be let in any more: the device is
// revoked, or the token is gone. It gives those whose token's role changed their new rights.
func (g *gate) watchLogins() {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-g.done:
			return
		}
		g.mu.Lock()
		watched := maps.Clone(g.watched)
		g.mu.Unlock()
		g.checkDevices(watched) // first: it waits for nobody
		g.checkTokens(watched)
	}
}

func (g *gate) checkDevices(watched map[*connection]*mqtt.Client) {
	for c, client := range watched {
		if !c.party.isDevice() {
			continue
		}
		if err := g.checkDevice(c.party); err != nil {
			g.throwOut(c, client, err.Error(), "device", c.party.device)
		}
	}
}

func (g *gate) checkTokens(watched map[*connection]*mqtt.Client) {
	for c, client := range watched {
		if c.party.isDevice() {
			continue
		}
		bearer, err := g.options.Token(c.party.name, c.party.secret)
		switch {
		case errors.Is(err, access.ErrUnavailable):
			return // nothing has been decided, about the others neither
		case err != nil:
			g.throwOut(c, client, "its token is no longer valid", "token", c.party.name)
		default:
			c.party.role.Store(bearer.Role)
		}
	}
}

// throwOut ends a connection.
func (g *gate) throwOut(c *connection, client *mqtt.Client, why string, about ...any) {
	g.options.Log.Info("MQTT connection ended: "+why, append(about, "remote", c.RemoteAddr())...)
	c.Close()
	client.Stop(packets.ErrNotAuthorized)
}
