package broker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Whatever a client asks for, nothing of it is kept but what is retained.
func TestNoSessionOutlivesItsConnection(t *testing.T) {
	b := openBroker(t)
	for _, l := range []login{{version: 4, kept: true}, {version: 5, kept: true, delay: 3600, aliases: 1000}} {
		for i := range 50 {
			l.id = fmt.Sprint(l.version, "-", i)
			c := l.join(t, b)
			if ack := hear(t, c, l.version, 2, "#", "a"); !slices.Equal(ack[len(ack)-2:], []byte{0, 0}) {
				t.Fatalf("MQTT %d is granted % x, not QoS 0", l.version, ack)
			}
			if i%2 == 0 {
				c.Write([]byte{packets.Disconnect << 4, 0})
				io.Copy(io.Discard, c)
			}
			c.Close()
		}
		asBefore(t, b)
		for i := range 50 {
			want := []string{"", "gone"}[i%2]
			if got := willOf(b, fmt.Sprint(l.version, "-", i)); got != want {
				t.Errorf("MQTT %d: client %d's last will is %q, want %q", l.version, i, got, want)
			}
		}
		for i := range 3 { // nothing waits for who comes back
			l.id = fmt.Sprint(l.version, "-", i)
			c := l.join(t, b)
			if err := b.Publish("a", []byte("x"), false); err != nil {
				t.Fatal(err)
			}
			c.Write([]byte{packets.Pingreq << 4, 0})
			if p := receive(t, c); p[0] != packets.Pingresp<<4 {
				t.Errorf("MQTT %d: a client that comes back is sent % x", l.version, p)
			}
			c.Close()
		}
		asBefore(t, b)
	}
}

// The lock that the library takes twice is that of messages that wait to be acknowledged.
func TestNothingWaitsToBeAcknowledged(t *testing.T) {
	b := openBroker(t)
	c := login{version: 4, id: "x"}.join(t, b)
	hear(t, c, 4, 2, "a")
	from := login{version: 4, id: "y"}.join(t, b)
	for qos := range byte(3) {
		p := packets.Packet{TopicName: "a", Payload: []byte("x"), PacketID: 7}
		p.FixedHeader.Type, p.FixedHeader.Qos = packets.Publish, qos
		send(t, from, p.PublishEncode)
		if p := receive(t, c); p[0] != packets.Publish<<4 {
			t.Errorf("published at QoS %d, sent % x", qos, p)
		}
		if qos > 0 {
			receive(t, from)
		}
	}
	if client, _ := b.server.Clients.Get("x"); client.State.Inflight.Len() != 0 {
		t.Error("something waits to be acknowledged")
	}
}

// Who begins messages at QoS 2 and ends none is ended.
func TestMessagesThatAreNotReleasedAreFew(t *testing.T) {
	b := openBroker(t)
	c := login{version: 4, id: "x"}.join(t, b)
	go io.Copy(io.Discard, c)
	var err error
	for i := 1; i < 60_000 && err == nil; i++ {
		_, err = c.Write([]byte{0x34, 5, 0, 1, 'a', byte(i >> 8), byte(i)})
	}
	if err == nil {
		t.Error("60,000 messages were taken")
	}
	asBefore(t, b)
}

func TestSubscriptionsAreCounted(t *testing.T) {
	b := openBroker(t)
	x, y := login{version: 4, id: "x"}.join(t, b), login{version: 5, id: "y"}.join(t, b)
	want := func(n int64, when string) {
		t.Helper()
		if got := b.Stats().Subscriptions; got != n {
			t.Errorf("%s: %d subscriptions, want %d", when, got, n)
		}
	}
	hear(t, x, 4, 0, "a", "b", "b")
	want(2, "two and one again")
	hear(t, x, 4, 0, "a", "a/#/b", "$share/group/a")
	want(2, "one again and two that are refused")
	hear(t, y, 5, 0, "a", "c")
	want(4, "another client's")
	unsubscribe := func(c net.Conn, version byte, filters ...string) {
		p := packets.Packet{ProtocolVersion: version, PacketID: 2}
		p.FixedHeader.Type, p.FixedHeader.Qos = packets.Unsubscribe, 1
		for _, f := range filters {
			p.Filters = append(p.Filters, packets.Subscription{Filter: f})
		}
		send(t, c, p.UnsubscribeEncode)
		receive(t, c)
	}
	for range 5 { // what is another's
		unsubscribe(y, 5, "b", "never")
	}
	want(4, "after the end of none")
	unsubscribe(x, 4, "b", "b")
	want(3, "after the end of one")
	x.Close()
	y.Close()
	asBefore(t, b)
}

// MQTT 5 says which retained messages it wants, and is sent all of them.
func TestRetainedMessagesOverMQTT5(t *testing.T) {
	b := openBroker(t)
	for i := range 3000 { // more than the library's queue
		if err := b.Publish(fmt.Sprint("home/", i), []byte("x"), true); err != nil {
			t.Fatal(err)
		}
	}
	c := login{version: 5, id: "x"}.join(t, b)
	ask := func(handling byte) (retained int) {
		p := packets.Packet{ProtocolVersion: 5, PacketID: 1}
		p.FixedHeader.Type, p.FixedHeader.Qos = packets.Subscribe, 1
		p.Filters = packets.Subscriptions{{Filter: "home/+", RetainHandling: handling}, {Filter: "home/+", RetainHandling: handling}}
		p.Properties.SubscriptionIdentifier = []int{5}
		send(t, c, p.SubscribeEncode)
		for {
			switch p := receive(t, c); p[0] {
			case packets.Publish<<4 | 1:
				if !slices.Contains(p, 0x0b) {
					t.Fatalf("% x has no subscription identifier", p)
				}
				retained++
			case packets.Suback << 4:
				return retained
			default:
				t.Fatalf("sent % x", p)
			}
		}
	}
	for i, step := range []struct {
		handling byte
		want     int
	}{{2, 0}, {1, 0}, {0, 3000}} {
		if got := ask(step.handling); got != step.want {
			t.Errorf("step %d: %d retained messages, want %d", i, got, step.want)
		}
	}
}

// A client that sends but does not read is ended: what waits for it is in memory.
func TestWhoDoesNotReadIsEnded(t *testing.T) {
	here, there := net.Pipe() // takes in nothing
	defer there.Close()
	c := &connection{Conn: deadline{here, t}}
	c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("written: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("it goes on: %v", err)
	}
}

// deadline is a connection on which the time to write is over at once.
type deadline struct {
	net.Conn
	t *testing.T
}

func (d deadline) SetDeadline(time.Time) error {
	d.t.Error("the deadline of writing was changed")
	return nil
}

func (d deadline) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		return d.Conn.SetWriteDeadline(at)
	}
	return d.Conn.SetWriteDeadline(time.Now())
}
