// Package broker is the MQTT broker that esper serve embeds, and the connection
// to a broker of one's own. Both are a Client, so that what speaks MQTT does not
// know which of the two it has.
//
// The embedded broker keeps retained messages in memory only: after a restart it
// knows nothing until the devices reconnect, which they do by themselves and then
// publish all they retain (docs/SPEC.md section 7).
package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"esper/internal/access"
)

// Message is one message from a broker.
type Message struct {
	Topic   string
	Payload []byte
	// Retained says that the broker had kept the message for new subscribers, so
	// that when it was sent is not known.
	Retained bool
}

// Client is what publishes and subscribes: the embedded Broker itself, or a
// Connection to any broker.
type Client interface {
	// Publish sends a message to all who are subscribed to the topic; a retained
	// one also to those who subscribe later.
	Publish(topic string, payload []byte, retain bool) error
	// Subscribe calls handle, one message at a time, for what matches the filter,
	// the retained messages first. The payload is handle's to keep. Handle must
	// not publish or subscribe itself.
	Subscribe(filter string, handle func(Message)) error
	// Connected says whether the broker can be reached now.
	Connected() bool
	Close() error
}

// Options are the settings of the embedded broker.
type Options struct {
	// Realm is the first part of every topic of the devices, Discovery that of what Home
	// Assistant is told.
	Realm, Discovery string
	// User and Password are the devices'. If both are empty the broker is open: anyone may do
	// anything, within limits.
	User, Password string
	// Devices knows the devices' own passwords, and which devices are revoked. It is asked again
	// while they are connected. Nil: there are none.
	Devices *access.Devices
	// OwnOnly lets in no device with User and Password.
	OwnOnly bool
	// Token says who shows a name and a token, and with which role: access.Keeper.Check. It is
	// asked again while the bearer is connected. Nil: there are no tokens.
	Token func(name, token string) (access.Identity, error)
	// Log gets warnings and, at debug level, each connection. Nil: slog.Default.
	Log *slog.Logger
}

// Broker is a running embedded broker.
type Broker struct {
	server        *mqtt.Server
	gate          *gate
	listener      net.Listener
	subscriptions atomic.Int64
	closed        atomic.Bool
}

// Serve starts a broker on a listener, which it closes in the end.
func Serve(listener net.Listener, o Options) (*Broker, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumClients = MaxConnections
	limits.MaximumPacketSize = MaxPacket
	limits.MaximumClientWritesPending = maxQueue
	limits.MaximumInflight = maxQueue
	limits.MaximumMessageExpiryInterval = 0 // 0: retained messages are kept for ever
	limits.MaximumSessionExpiryInterval = 0 // see forgetSession
	limits.ReceiveMaximum = maxUnreleased
	limits.Compatibilities.NoInheritedPropertiesOnAck = true
	limits.TopicAliasMaximum = 0 // the library checks rights before it looks an alias up

	server := mqtt.New(&mqtt.Options{
		Capabilities: limits,
		Logger:       slog.New(quiet{o.Log.Handler()}),
		InlineClient: true,
		// Each time, the statistics stop the whole process for a moment.
		SysTopicResendInterval: 60,
	})
	gate := newGate(o, server)
	for _, hook := range []mqtt.Hook{gate, &retained{server: server, gate: gate}} {
		if err := server.AddHook(hook, nil); err != nil {
			return nil, fmt.Errorf("start MQTT broker: %w", err)
		}
	}
	if err := server.AddListener(newListener(listener, gate, o.Log)); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	go gate.watchLogins()
	return &Broker{server: server, gate: gate, listener: listener}, nil
}

// Addr is where the broker listens.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// Publish implements Client.
func (b *Broker) Publish(topic string, payload []byte, retain bool) error {
	if err := b.server.Publish(topic, payload, retain, 0); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// Subscribe implements Client.
func (b *Broker) Subscribe(filter string, handle func(Message)) error {
	// The library hands over new messages while it is still going through the
	// retained ones, so that an old message could come last. So the retained ones
	// are gone through here, while the new ones wait.
	var mu sync.Mutex
	var subscribed atomic.Bool
	mu.Lock()
	defer mu.Unlock()
	err := b.server.Subscribe(filter, int(b.subscriptions.Add(1)),
		func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) {
			if subscribed.Load() {
				mu.Lock()
				defer mu.Unlock()
				handle(message(p, false))
			}
		})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	subscribed.Store(true)
	for _, p := range b.server.Topics.Messages(filter) {
		handle(message(p, true))
	}
	return nil
}

func message(p packets.Packet, retained bool) Message {
	return Message{Topic: p.TopicName, Payload: bytes.Clone(p.Payload), Retained: retained}
}

// Connected implements Client.
func (b *Broker) Connected() bool { return !b.closed.Load() }

// Close ends all connections and stops the broker.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	close(b.gate.done)
	return b.server.Close()
}

// Stats are the broker's counts since it started, and what is there now.
type Stats struct {
	Connections, Retained, RetainedBytes, Subscriptions int64
	MessagesIn, MessagesOut, BytesIn, BytesOut          int64
	Dropped                                             int64            // for clients that read too slowly
	Slowed                                              int64            // packets that came faster than the client's rate
	NotRetained                                         int64            // messages that were to be, beyond the limits
	DeniedPublish, DeniedSubscribe                      int64            // for want of the right to
	Refused                                             map[string]int64 // logins and connections, by reason
}

// The reasons for which logins and connections are refused.
var refusals = []string{
	"password", "revoked", "client-id", "will", "limit", "unavailable", "packet",
}

// Stats returns the counts.
func (b *Broker) Stats() Stats {
	info, g := b.server.Info.Clone(), b.gate
	s := Stats{
		Connections: g.connections.Load(),
		MessagesIn:  info.MessagesReceived, MessagesOut: info.MessagesSent, BytesIn: info.BytesReceived, BytesOut: info.BytesSent,
		Dropped: info.MessagesDropped + info.InflightDropped, Slowed: g.slowed.Load(), NotRetained: g.tooMuchRetained.Load(),
		DeniedPublish: g.denied.publish.Load(), DeniedSubscribe: g.denied.subscribe.Load(), Refused: map[string]int64{},
	}
	g.accounts.mu.Lock()
	s.Retained, s.RetainedBytes = int64(g.accounts.all.topics), int64(g.accounts.all.bytes)
	s.Subscriptions = int64(g.accounts.subscriptions.topics)
	g.accounts.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, reason := range refusals {
		s.Refused[reason] = g.refused[reason]
	}
	return s
}
