package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// patience is how long a broker may take to answer, before it counts as gone.
const patience = 5 * time.Second

// ErrNotAuthorised says that a broker does not take user and password.
var ErrNotAuthorised = errors.New("the broker refuses the user and password")

// Connection is a connection to a broker over the network. It comes back by
// itself when it breaks, and then subscribes again.
type Connection struct {
	client paho.Client
	id     string
	name   string // the broker's URL, without user and password, for messages

	mu            sync.Mutex
	subscriptions map[string]paho.MessageHandler
	lost          chan struct{} // closed when the connection breaks, then made anew
	reconnected   func()        // nil: nothing is called
}

// ParseURL reads the URL of a broker, mqtt://[user[:password]@]host[:port], or
// mqtts:// for TLS. The result has a port. An error does not quote the URL, since
// that may hold a password.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("the broker's URL cannot be read: it should be mqtt://[user:password@]host[:port]")
	}
	port := map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme]
	switch {
	case port == "":
		return nil, fmt.Errorf("the broker's URL begins with %q: it should be mqtt:// or mqtts://", u.Scheme)
	case u.Hostname() == "" || strings.Contains(u.Hostname(), ":") && !isAddress(u.Hostname()):
		return nil, errors.New("the broker's URL names no host: it should be mqtt://[user:password@]host[:port]")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("the broker's URL goes on after host and port: it should be mqtt://[user:password@]host[:port]")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	u.Path = ""
	return u, nil
}

// isAddress tells whether a host is an IP address, the only hosts with colons.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Dial connects to a broker (see ParseURL) and waits until it has let us in, or
// the context ends. Messages about the connection later go to log.
func Dial(ctx context.Context, u *url.URL, log *slog.Logger) (*Connection, error) {
	random := make([]byte, 4)
	rand.Read(random)
	c := &Connection{
		id:            "esper-server-" + hex.EncodeToString(random),
		name:          u.Scheme + "://" + u.Host,
		subscriptions: map[string]paho.MessageHandler{},
		lost:          make(chan struct{}),
	}
	var connections atomic.Int32
	password, _ := u.User.Password()
	options := paho.NewClientOptions().
		SetClientID(c.id).
		SetUsername(u.User.Username()).
		SetPassword(password).
		SetProtocolVersion(4).
		SetConnectTimeout(patience).
		SetWriteTimeout(patience).
		SetKeepAlive(30 * time.Second).
		SetMaxReconnectInterval(10 * time.Second).
		SetStore(noStore{}).
		SetOnConnectHandler(func(paho.Client) {
			if connections.Add(1) > 1 {
				c.mu.Lock()
				reconnected := c.reconnected
				c.mu.Unlock()
				if reconnected != nil {
					reconnected()
				}
				c.resubscribe(log)
			}
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) {
			log.Warn("connection to the MQTT broker lost", "broker", c.name, "error", err)
			c.mu.Lock()
			close(c.lost)
			c.lost = make(chan struct{})
			c.mu.Unlock()
		})
	options.AddBroker(c.name) // without the password, which paho would log
	c.client = paho.NewClient(options)
	if err := wait(ctx, c.client.Connect(), nil); err != nil {
		c.client.Disconnect(0)
		if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) {
			err = ErrNotAuthorised
		}
		return nil, fmt.Errorf("connect to MQTT broker %s: %w", c.name, err)
	}
	return c, nil
}

// String is the broker's URL without user and password.
func (c *Connection) String() string { return c.name }

// Publish implements Client. It returns when the broker has acknowledged.
func (c *Connection) Publish(topic string, payload []byte, retain bool) error {
	lost := c.breaks()
	if err := wait(context.Background(), c.client.Publish(topic, 1, retain, payload), lost); err != nil {
		return fmt.Errorf("publish %s to MQTT broker %s: %w", topic, c.name, err)
	}
	return nil
}

// Subscribe implements Client. It returns when the broker has acknowledged; the
// retained messages may come later, see Settle.
func (c *Connection) Subscribe(filter string, handle func(Message)) error {
	handler := func(_ paho.Client, m paho.Message) {
		handle(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
	}
	c.mu.Lock()
	c.subscriptions[filter] = handler
	c.mu.Unlock()
	return c.subscribe(filter, handler)
}

func (c *Connection) subscribe(filter string, handler paho.MessageHandler) error {
	lost := c.breaks()
	token := c.client.Subscribe(filter, 0, handler)
	err := wait(context.Background(), token, lost)
	if err == nil && token.(*paho.SubscribeToken).Result()[filter] == 0x80 { // MQTT 3.1.1, 3.9.3
		err = errors.New("refused")
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s at MQTT broker %s: %w", filter, c.name, err)
	}
	return nil
}

// resubscribe brings the subscriptions back after a reconnection.
func (c *Connection) resubscribe(log *slog.Logger) {
	c.mu.Lock()
	subscriptions := maps.Clone(c.subscriptions)
	c.mu.Unlock()
	for filter, handler := range subscriptions {
		if err := c.subscribe(filter, handler); err != nil {
			log.Warn("subscription not renewed", "error", err)
		}
	}
}

// Settle returns when the retained messages of all earlier subscriptions have
// been handled. It publishes a marker to itself, which comes after them, since
// brokers send to one client in order. The context limits the wait for brokers
// that do otherwise, or do not allow the marker.
func (c *Connection) Settle(ctx context.Context) error {
	topic := c.id + "/settled"
	settled := make(chan struct{}, 2)
	if err := c.Subscribe(topic, func(Message) { settled <- struct{}{} }); err != nil {
		return err
	}
	if err := c.Publish(topic, nil, false); err != nil {
		return err
	}
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the broker does not give back what is sent to %s: it must let this user publish and read there: %w", topic, ctx.Err())
	}
}

// OnReconnect has a function called each time that the connection is back, before what the broker
// retains comes again. It must not publish or subscribe itself.
func (c *Connection) OnReconnect(call func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reconnected = call
}

// Connected implements Client.
func (c *Connection) Connected() bool { return c.client.IsConnectionOpen() }

// Close sends what is waiting and disconnects.
func (c *Connection) Close() error {
	c.client.Disconnect(250)
	return nil
}

// breaks returns what is closed when the connection breaks the next time.
func (c *Connection) breaks() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// wait waits for the broker's answer.
func wait(ctx context.Context, token paho.Token, lost <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	select {
	case <-token.Done():
		return token.Error()
	case <-lost:
		return errors.New("the connection broke before the broker acknowledged")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// noStore keeps no messages for after a reconnection: who publishes has been told
// by then that it failed. With a store, paho reports success once it has sent the
// message again, acknowledged or not.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
