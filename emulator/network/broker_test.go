package network

import (
	"bytes"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mqttClient speaks MQTT over a Memory network.
type mqttClient struct {
	t    *testing.T
	m    *Memory
	link *MemoryLink
	got  bytes.Buffer
}

func newClient(t *testing.T, m *Memory, b *Broker, id string, keepAlive uint16) *mqttClient {
	c := &mqttClient{t: t, m: m, link: m.Link()}
	c.link.Connect(m.Now(), 1, m.Host("broker").IP, 1883)
	c.wait(10 * time.Millisecond)
	var buf bytes.Buffer
	connect := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: 4,
		Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), Clean: true, ClientIdentifier: id, Keepalive: keepAlive,
			WillFlag: true, WillRetain: true, WillTopic: id + "/status", WillPayload: []byte("OFFLINE")}}
	if err := connect.ConnectEncode(&buf); err != nil {
		t.Fatal(err)
	}
	c.send(buf.Bytes())
	c.expect([]byte{0x20, 2, 0, 0})
	return c
}

func (c *mqttClient) send(b []byte) {
	c.link.Send(c.m.Now(), 1, b)
	c.wait(50 * time.Millisecond)
}

func (c *mqttClient) wait(d time.Duration) {
	for end := c.m.Now() + d; c.m.Now() < end; {
		for {
			e, ok := c.link.Poll(c.m.Now() + time.Millisecond)
			if !ok {
				break
			}
			c.got.Write(e.Data)
		}
	}
}

func (c *mqttClient) expect(want []byte) {
	c.t.Helper()
	if !bytes.Equal(c.got.Bytes(), want) {
		c.t.Errorf("got % x, want % x", c.got.Bytes(), want)
	}
	c.got.Reset()
}

func newBroker() (*Memory, *Broker) {
	m := NewMemory()
	b := NewBroker(m)
	m.AddHost("broker").Listen(1883, b)
	return m, b
}

func TestASubscriberGetsRetainedAndNewMessages(t *testing.T) {
	m, b := newBroker()
	b.Publish("a/x", "old", true)
	c := newClient(t, m, b, "c", 0)
	c.send([]byte{0x82, 8, 0, 1, 0, 3, 'a', '/', '+', 0})
	c.expect([]byte{0x90, 3, 0, 1, 0, 0x31, 8, 0, 3, 'a', '/', 'x', 'o', 'l', 'd'})
	b.Publish("a/y", "n", false)
	b.Publish("a/y/z", "n", false)
	c.wait(20 * time.Millisecond)
	c.expect([]byte{0x30, 6, 0, 3, 'a', '/', 'y', 'n'})
	c.send([]byte{0xC0, 0})
	c.expect([]byte{0xD0, 0})
}

func TestTheWillComesWhenAClientFallsSilent(t *testing.T) {
	m, b := newBroker()
	c := newClient(t, m, b, "c", 2)
	m.Advance(m.Now() + 2900*time.Millisecond)
	if _, ok := b.Retained("c/status"); ok {
		t.Error("too early")
	}
	m.Advance(m.Now() + 200*time.Millisecond)
	if got, _ := b.Retained("c/status"); got != "OFFLINE" {
		t.Errorf("%q", got)
	}
	_ = c
}

func TestNoWillAfterDisconnect(t *testing.T) {
	m, b := newBroker()
	c := newClient(t, m, b, "c", 0)
	c.send([]byte{0xE0, 0})
	if len(b.Messages()) != 0 || len(b.Clients()) != 0 {
		t.Errorf("%v %v", b.Messages(), b.Clients())
	}
}

func TestBreakingTheProtocolDisconnects(t *testing.T) {
	for name, packet := range map[string][]byte{
		"a second CONNECT [MQTT-3.1.0-2]":     {0x10, 0},
		"a publish to a wildcard":             {0x30, 3, 0, 1, '#'},
		"a SUBSCRIBE without id or filter":    {0x82, 2, 0, 1},
		"a remaining length of five bytes":    {0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1},
		"a packet that only brokers send":     {0x20, 2, 0, 0},
		"reserved header bits [MQTT-2.2.2-2]": {0x80, 2, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m, b := newBroker()
			c := newClient(t, m, b, "c", 0)
			c.send(packet)
			if len(b.Errors()) != 1 || len(b.Clients()) != 0 {
				t.Errorf("errors %q, clients %q", b.Errors(), b.Clients())
			}
		})
	}
}

func TestFiltersMatchAsInSection47(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/+", "a/b", true}, {"+/b", "a/b", true}, {"#", "a/b", true}, {"a/#", "a", true},
		{"a/#", "a/b/c", true}, {"a/+", "a/b/c", false}, {"a/+", "a", false}, {"a", "a/b", false}, {"#", "$SYS/x", false},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s takes in %s: %v", c.filter, c.topic, got)
		}
	}
}
