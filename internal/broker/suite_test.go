package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"esper/internal/access"
	"esper/internal/broker"
	"esper/internal/broker/brokertest"
)

var discard = slog.New(slog.DiscardHandler)

// user and password are those of an operator at the brokers in these tests, and
// devicePassword is that of the user "devices".
const user, password, devicePassword = "ada", "p@ss:word/1", "shared"

func TestEmbeddedBroker(t *testing.T) {
	suite(t, func(t *testing.T) *url.URL { return brokerURL(startEmbedded(t).Addr().String()) })
}

func TestMosquitto(t *testing.T) {
	suite(t, func(t *testing.T) *url.URL {
		return brokerURL(brokertest.MosquittoWith(t, "", url.UserPassword(user, password), url.UserPassword("devices", devicePassword)))
	})
}

func brokerURL(address string) *url.URL {
	return &url.URL{Scheme: "mqtt", Host: address, User: url.UserPassword(user, password)}
}

func startEmbedded(t *testing.T) *broker.Broker {
	t.Helper()
	return serve(t, broker.Options{
		Realm: "home", Discovery: "homeassistant", User: "devices", Password: devicePassword,
		Token: tokens(access.Identity{Name: user, Role: access.Operator}),
	})
}

// tokens are those of some, with the same password.
func tokens(all ...access.Identity) func(name, token string) (access.Identity, error) {
	return func(name, token string) (access.Identity, error) {
		for _, who := range all {
			if who.Name == name && token == password {
				return who, nil
			}
		}
		return access.Identity{}, access.ErrUnknown
	}
}

func serve(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Log == nil {
		o.Log = discard
	}
	b, err := broker.Serve(l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// suite is what ESPer relies on in any broker.
func suite(t *testing.T, start func(t *testing.T) *url.URL) {
	t.Run("retained messages reach those who subscribe later", func(t *testing.T) {
		u := start(t)
		c := dial(t, u)
		publish(t, c, "home/00c0de/status", "ONLINE", true)
		publish(t, c, "home/00c0de/button", "1", false)
		settle(t, c) // the acknowledgement may come before the message is handed on
		got := subscribe(t, dial(t, u), "home/#")
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("ONLINE"), Retained: true})

		publish(t, c, "home/00c0de/status", "OFFLINE", true)
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("OFFLINE")})

		publish(t, c, "home/00c0de/status", "", true) // forgets it (MQTT 3.1.1, 3.3.1.3)
		settle(t, c)
		expectNone(t, subscribe(t, dial(t, u), "home/#"))
	})

	t.Run("filters with + match one level", func(t *testing.T) {
		c := dial(t, start(t))
		got := subscribe(t, c, "home/+/status")
		publish(t, c, "home/00c0de/update/status", "no", false)
		publish(t, c, "homeassistant/00c0de/status", "no", false)
		publish(t, c, "home/00c0de/status", "yes", false)
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("yes")})
	})

	t.Run("the last will is sent when a device is lost", func(t *testing.T) {
		u := start(t)
		got := subscribe(t, dial(t, u), "home/+/status")
		lost := connectDevice(t, u, "00c0de")
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("ONLINE")})
		lost.connection.Close()
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("OFFLINE")})
		later := subscribe(t, dial(t, u), "home/+/status")
		expect(t, later, broker.Message{Topic: "home/00c0de/status", Payload: []byte("OFFLINE"), Retained: true})
	})

	t.Run("the last will is not sent when a device disconnects", func(t *testing.T) {
		u := start(t)
		c := dial(t, u)
		got := subscribe(t, c, "home/+/status")
		device := connectDevice(t, u, "00c0de")
		expect(t, got, broker.Message{Topic: "home/00c0de/status", Payload: []byte("ONLINE")})
		device.client.Disconnect(250)
		publish(t, c, "home/000000/status", "after", false)
		expect(t, got, broker.Message{Topic: "home/000000/status", Payload: []byte("after")})
	})

	t.Run("a device that comes back takes the place of its old connection", func(t *testing.T) {
		u := start(t)
		connectDevice(t, u, "00c0de")
		connectDevice(t, u, "00c0de")
		c := dial(t, u)
		got := subscribe(t, c, "home/+/status")
		// The old connection's last will may come between, the last word is the new one's.
		publish(t, c, "home/00c0de/status", "ONLINE", true)
		for m := range got {
			if string(m.Payload) == "ONLINE" {
				break
			}
		}
	})

	t.Run("a subscription outlives the connection", func(t *testing.T) {
		u := start(t)
		proxy := startProxy(t, u.Host)
		through := *u
		through.Host = proxy.Addr().String()
		got := subscribe(t, dial(t, &through), "home/update")
		proxy.cut()
		c := dial(t, u)
		eventually(t, "a message arrives after the connection broke", func() bool {
			publish(t, c, "home/update", "check", false)
			select {
			case <-got:
				return true
			default:
				return false
			}
		})
	})

	t.Run("one message reaches many, and many reach one", func(t *testing.T) {
		const devices = 100
		u := start(t)
		server := dial(t, u)
		info := make([]byte, 700)
		var subscribers []<-chan broker.Message
		for i := range devices {
			c := dial(t, u)
			subscribers = append(subscribers, subscribe(t, c, "home/update"))
			for _, topic := range []string{"status", "info", "update/status"} {
				publish(t, c, fmt.Sprintf("home/%06x/%s", i, topic), string(info), true)
			}
		}
		publish(t, server, "home/update", "check", false)
		for _, got := range subscribers {
			expect(t, got, broker.Message{Topic: "home/update", Payload: []byte("check")})
		}
		got := subscribe(t, server, "home/+/info", "home/+/status", "home/+/update/status")
		if len(got) != 3*devices {
			t.Errorf("%d retained messages, want %d", len(got), 3*devices)
		}
	})

	t.Run("a wrong password is refused", func(t *testing.T) {
		u := start(t)
		for _, who := range []*url.Userinfo{nil, url.User(user), url.UserPassword(user, "wrong"), url.UserPassword("", password)} {
			wrong := *u
			wrong.User = who
			if _, err := broker.Dial(t.Context(), &wrong, discard); !errors.Is(err, broker.ErrNotAuthorised) {
				t.Errorf("%v: error %v, want %v", who, err, broker.ErrNotAuthorised)
			}
		}
	})
}

// device is a client as the firmware is one: with a retained last will.
type device struct {
	client     paho.Client
	connection net.Conn
}

func connectDevice(t *testing.T, u *url.URL, id string) *device {
	d := &device{}
	options := paho.NewClientOptions().AddBroker("tcp://"+u.Host).SetClientID(id).
		SetUsername("devices").SetPassword(devicePassword).SetProtocolVersion(4).SetAutoReconnect(false).
		SetWill("home/"+id+"/status", "OFFLINE", 0, true).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			connection, err := net.Dial("tcp", u.Host)
			d.connection = connection
			return connection, err
		})
	d.client = paho.NewClient(options)
	t.Cleanup(func() { d.client.Disconnect(0) })
	if token := d.client.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	if token := d.client.Publish("home/"+id+"/status", 1, true, "ONLINE"); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	return d
}

// proxy passes connections on, until they are cut.
type proxy struct {
	net.Listener
	open chan net.Conn
}

func startProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l, make(chan net.Conn, 100)}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			into, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			p.open <- from
			p.open <- into
			go io.Copy(from, into)
			go io.Copy(into, from)
		}
	}()
	return p
}

func (p *proxy) cut() {
	for {
		select {
		case c := <-p.open:
			c.Close()
		default:
			return
		}
	}
}

func dial(t *testing.T, u *url.URL) *broker.Connection {
	t.Helper()
	c, err := broker.Dial(t.Context(), u, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func publish(t *testing.T, c broker.Client, topic, payload string, retain bool) {
	t.Helper()
	if err := c.Publish(topic, []byte(payload), retain); err != nil {
		t.Fatal(err)
	}
}

func subscribe(t *testing.T, c broker.Client, filters ...string) <-chan broker.Message {
	t.Helper()
	got := make(chan broker.Message, 10_000)
	for _, filter := range filters {
		if err := c.Subscribe(filter, func(m broker.Message) { got <- m }); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := c.(*broker.Connection); ok {
		settle(t, c) // the retained messages come after the acknowledgement
	}
	return got
}

func settle(t *testing.T, c *broker.Connection) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, got <-chan broker.Message, want broker.Message) {
	t.Helper()
	select {
	case m := <-got:
		if m.Topic != want.Topic || string(m.Payload) != string(want.Payload) || m.Retained != want.Retained {
			t.Errorf("got %s %q retained %v; want %s %q retained %v", m.Topic, m.Payload, m.Retained, want.Topic, want.Payload, want.Retained)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("no message; want %s %q", want.Topic, want.Payload)
	}
}

func expectNone(t *testing.T, got <-chan broker.Message) {
	t.Helper()
	select {
	case m := <-got:
		t.Errorf("got %s %q; want nothing", m.Topic, m.Payload)
	default:
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
