package broker

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"esper/internal/access"
	"esper/internal/connections"
)

// gate stands between clients and the library: it lets them in, and sees to it that they keep to
// their rights and limits.
type gate struct {
	mqtt.HookBase
	options   Options
	rights    rights
	server    *mqtt.Server
	addresses *addresses
	accounts  *accounts
	done      chan struct{} // closed in the end

	mu      sync.Mutex
	watched map[*connection]*mqtt.Client // all that have logged in, but for those of an open broker
	present map[string]*connection       // by client id
	logged  bucket
	refused map[string]int64 // logins and connections, by reason

	denied                               struct{ publish, subscribe atomic.Int64 }
	slowed, tooMuchRetained, connections atomic.Int64
}

func newGate(o Options, server *mqtt.Server) *gate {
	g := &gate{
		options: o, rights: rights{realm: o.Realm, discovery: o.Discovery}, server: server, done: make(chan struct{}),
		addresses: newAddresses(connections.Available() / 2), accounts: newAccounts(o.Realm),
		watched: map[*connection]*mqtt.Client{}, present: map[string]*connection{}, refused: map[string]int64{},
	}
	return g
}

func (*gate) ID() string { return "gate" }

func (*gate) Provides(event byte) bool {
	switch event {
	case mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish, mqtt.OnWill,
		mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnRetainMessage, mqtt.OnRetainedExpired:
		return true
	}
	return false
}

// OnConnectAuthenticate lets a client in, or not.
func (g *gate) OnConnectAuthenticate(client *mqtt.Client, p packets.Packet) bool {
	c := client.Net.Conn.(*connection)
	party, reason, why := g.admit(client, p)
	if reason != "" {
		g.refuse(reason, why, "remote", c.RemoteAddr().String(), "client", clip(client.ID), "user", clip(string(p.Connect.Username)))
		if reason == "password" || reason == "revoked" {
			g.pause(g.addresses.failed(c.from, time.Now()))
		}
		return false
	}
	if !g.takePlace(client.ID, c) {
		g.refuse("limit", "the client's last connection does not end", "remote", c.RemoteAddr().String(), "client", clip(client.ID))
		return false
	}
	account := nameOf(party, c)
	if !g.accounts.enter(account, party.name != "") {
		g.refuse("limit", "too many connections with one token", "remote", c.RemoteAddr().String(), "token", clip(party.name))
		return false
	}
	forgetSession(client)
	c.party, c.client, c.account = party, client, account
	g.addresses.loggedIn(c.from)
	g.connections.Add(1)
	if !party.isAnyone() {
		g.mu.Lock()
		g.watched[c] = client
		g.mu.Unlock()
	}
	return true
}

// takeover is how long a client waits until its last connection has ended.
const takeover = 5 * time.Second

// takePlace ends the connection that a client id has, if any, and waits for that. The library would
// let both go on side by side for a moment, in which the old one's end can remove the new one's
// subscriptions, and its last will come after what the new one says.
func (g *gate) takePlace(id string, c *connection) bool {
	patience := time.NewTimer(takeover)
	defer patience.Stop()
	for {
		g.mu.Lock()
		old := g.present[id]
		if old == nil {
			g.present[id], c.id = c, id
			g.mu.Unlock()
			return true
		}
		g.mu.Unlock()
		old.Close()
		select {
		case <-old.ended:
		case <-patience.C:
			return false
		case <-g.done:
			return false
		}
	}
}

// clip shortens what a client says of itself, for the log.
func clip(s string) string { return s[:min(len(s), 40)] }

// refuse counts what is refused, and logs it, unless that happens all the time.
func (g *gate) refuse(reason, why string, about ...any) {
	g.mu.Lock()
	g.refused[reason]++
	quiet := g.logged.take(rate{0.2, 10}, 1, time.Now()) > 0
	if quiet {
		g.logged.used-- // what is not logged does not count
	}
	g.mu.Unlock()
	if !quiet {
		g.options.Log.Warn("MQTT connection refused: "+why, about...)
	}
}

// left counts a connection out.
func (g *gate) left(c *connection) {
	if c.party == nil {
		g.addresses.loggedIn(c.from)
	} else {
		g.end(c)
		g.accounts.leave(c.account, c.subscriptions)
		g.connections.Add(-1)
	}
	g.addresses.leave(c.from)
	g.mu.Lock()
	delete(g.watched, c)
	if c.id != "" {
		delete(g.present, c.id)
	}
	g.mu.Unlock()
	close(c.ended)
}

// partyOf is who a client is, nil if it is this process.
func partyOf(client *mqtt.Client) *party {
	if c, ok := client.Net.Conn.(*connection); ok {
		return c.party
	}
	return nil
}

// OnACLCheck is asked before a client subscribes, publishes, and is sent a message.
func (g *gate) OnACLCheck(client *mqtt.Client, topic string, write bool) bool {
	p := partyOf(client)
	switch {
	case p == nil:
		return client.Net.Inline
	case !write:
		return g.rights.read(p, topic)
	case p.isDevice():
		return true // OnPublish decides: here a refusal at QoS 1 would end the connection
	}
	may := g.rights.publish(p, client.ID, topic)
	if !may {
		g.denied.publish.Add(1)
	}
	return may
}

// OnPublish drops what a device may not publish, as if it had been published (MQTT 3.1.1,
// 3.3.5), and lets what is too much be retained by nobody.
func (g *gate) OnPublish(client *mqtt.Client, m packets.Packet) (packets.Packet, error) {
	p := partyOf(client)
	if p == nil {
		return m, nil
	}
	if p.isDevice() && !g.rights.publish(p, client.ID, m.TopicName) {
		g.denied.publish.Add(1)
		return m, packets.CodeSuccessIgnore
	}
	m.FixedHeader.Retain = g.mayRetain(client, m.FixedHeader.Retain, m)
	return m, nil
}

// OnWill does the same for a last will, whose topic was checked at the login.
func (g *gate) OnWill(client *mqtt.Client, w mqtt.Will) (mqtt.Will, error) {
	w.Retain = g.mayRetain(client, w.Retain, packets.Packet{
		TopicName: w.TopicName, Payload: w.Payload, Properties: packets.Properties{User: w.User},
	})
	return w, nil
}

// mayRetain reports whether a message is retained that should be: of tokens, those of operators
// only, who else could have all devices check at each connection. An empty one removes another.
func (g *gate) mayRetain(client *mqtt.Client, retain bool, m packets.Packet) bool {
	p := partyOf(client)
	may := p == nil || p.isAnyone() || p.isDevice() || p.role.Load() == access.Operator
	if !retain || may && (len(m.Payload) == 0 || g.accounts.mayRetain(m.TopicName, g.entryOf(client, m))) {
		return retain
	}
	g.tooMuchRetained.Add(1)
	return false
}

// entryOf is how a retained message of a client counts, with what MQTT 5 adds to it.
func (g *gate) entryOf(client *mqtt.Client, m packets.Packet) entry {
	size := len(m.Payload)
	for _, u := range m.Properties.User {
		size += len(u.Key) + len(u.Val)
	}
	e := entry{amount: amountOf(m.TopicName, max(size, m.FixedHeader.Remaining-len(m.TopicName))), device: g.rights.owner(m.TopicName)}
	if c, ok := client.Net.Conn.(*connection); ok {
		e.account = c.account
	}
	return e
}

// OnRetainMessage is told when a retained message has changed.
func (g *gate) OnRetainMessage(client *mqtt.Client, m packets.Packet, _ int64) {
	g.accounts.setRetained(m.TopicName, func() entry {
		if now, ok := g.server.Topics.Retained.Get(m.TopicName); ok {
			return g.entryOf(client, now)
		}
		return entry{}
	})
}

// OnRetainedExpired is told when one has expired.
func (g *gate) OnRetainedExpired(topic string) {
	g.accounts.setRetained(topic, func() entry { return entry{} })
}

// OnPacketRead holds clients to their rate, and ends the connection of those who send what no
// device and no tool does.
func (g *gate) OnPacketRead(client *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	who := partyOf(client)
	if who == nil {
		return p, nil
	}
	c := client.Net.Conn.(*connection)
	g.slowDown(c, 1+float64(p.FixedHeader.Remaining)/1024)
	if why := g.tooMuch(c, p); why != "" {
		g.refuse("limit", why, "remote", c.RemoteAddr().String(), "client", clip(client.ID))
		return p, packets.ErrRejectPacket
	}
	return p, nil
}

// slowDown waits until a connection may send that much.
func (g *gate) slowDown(c *connection, cost float64) {
	var wait time.Duration
	if c.party.isDevice() {
		wait = c.packets.take(deviceRate, cost, time.Now())
	} else {
		wait = g.accounts.take(c.account, func(a *account) *bucket { return &a.packets }, toolRate, cost)
	}
	if wait > 0 {
		g.slowed.Add(1)
		g.pause(wait)
	}
}

// tooMuch returns the limit that a packet exceeds, or empty. It counts subscriptions.
func (g *gate) tooMuch(c *connection, p packets.Packet) string {
	isDevice := c.party.isDevice()
	switch {
	case isDevice && p.FixedHeader.Remaining > maxDevicePacket:
		return "a packet is too large for a device"
	case p.FixedHeader.Type == packets.Publish && !g.fits(p.TopicName):
		return "a topic is too long"
	case p.FixedHeader.Type != packets.Subscribe:
		return ""
	}
	var filters []string
	for _, f := range p.Filters {
		if !g.fits(f.Filter) {
			return "a topic filter is too long"
		}
		filters = append(filters, f.Filter)
	}
	if !g.accounts.subscribe(c.account, c.subscriptions, filters) || isDevice && len(c.subscriptions) > maxDeviceSubscriptions {
		return "too many subscriptions"
	}
	return ""
}

// OnSubscribed counts the subscriptions that were refused.
func (g *gate) OnSubscribed(client *mqtt.Client, p packets.Packet, codes []byte) {
	for _, code := range codes {
		if code >= packets.ErrUnspecifiedError.Code {
			g.denied.subscribe.Add(1)
		}
	}
	g.OnUnsubscribed(client, p)
}

// OnUnsubscribed counts out what a client is not subscribed to any more, or was refused.
func (g *gate) OnUnsubscribed(client *mqtt.Client, p packets.Packet) {
	c, ok := client.Net.Conn.(*connection)
	if !ok {
		return
	}
	g.accounts.mu.Lock()
	defer g.accounts.mu.Unlock()
	for _, f := range p.Filters {
		if _, has := client.State.Subscriptions.Get(f.Filter); !has {
			g.accounts.unsubscribe(c.account, c.subscriptions, f.Filter)
		}
	}
}

// fits reports whether a topic or filter is not too long.
func (g *gate) fits(topic string) bool {
	return len(topic) <= maxTopic && strings.Count(topic, "/")-strings.Count(g.options.Realm, "/") < maxLevels
}

// pause waits, or until the broker ends.
func (g *gate) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.done:
	}
}
