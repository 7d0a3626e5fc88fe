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
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits of the embedded broker.
const (
	// MaxPacket is the largest MQTT packet in bytes that it takes; a larger one
	// ends the connection. The largest that a device sends is its info, under 1 KB.
	MaxPacket = 64 << 10
	// MaxConnections is how many connections it holds at once.
	MaxConnections = 20_000
	// maxQueue is how many messages wait for one slow client; more are dropped.
	maxQueue = 1024
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
	// User and Password are asked of every client, unless both are empty.
	User, Password string
	// Log gets warnings and, at debug level, each connection. Nil: slog.Default.
	Log *slog.Logger
}

// Broker is a running embedded broker.
type Broker struct {
	server        *mqtt.Server
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
	limits.MaximumSessionExpiryInterval = 3600

	server := mqtt.New(&mqtt.Options{
		Capabilities: limits,
		Logger:       slog.New(quiet{o.Log.Handler()}),
		InlineClient: true,
		// Each time, the statistics stop the whole process for a moment.
		SysTopicResendInterval: 60,
	})
	if err := server.AddHook(&login{user: o.User, password: o.Password}, nil); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	if err := server.AddHook(&retained{server: server}, nil); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	if err := server.AddListener(newListener(listener, o.Log)); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	return &Broker{server: server, listener: listener}, nil
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
	return b.server.Close()
}

// login lets clients in that know the user and password, and lets them use every
// topic.
type login struct {
	mqtt.HookBase
	user, password string
}

func (*login) ID() string { return "login" }

func (*login) Provides(event byte) bool {
	return event == mqtt.OnConnectAuthenticate || event == mqtt.OnACLCheck
}

func (l *login) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	if l.user == "" && l.password == "" {
		return true
	}
	user := subtle.ConstantTimeCompare(p.Connect.Username, []byte(l.user))
	password := subtle.ConstantTimeCompare(p.Connect.Password, []byte(l.password))
	return user&password == 1
}

func (*login) OnACLCheck(*mqtt.Client, string, bool) bool { return true }
