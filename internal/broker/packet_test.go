package broker

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// openBroker is one that everybody may use.
func openBroker(t testing.TB) *Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Serve(l, Options{Realm: "home", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// login is how a client logs in that sends what no library would.
type login struct {
	version byte
	id      string
	kept    bool // asks for a session that outlives the connection
	delay   uint32
	aliases uint16
}

// join logs in, with a last will on home/will/<id>, and returns the connection.
func (l login) join(t testing.TB, b *Broker) net.Conn {
	t.Helper()
	p := packets.Packet{ProtocolVersion: l.version, Connect: packets.ConnectParams{
		ProtocolName: []byte("MQTT"), ClientIdentifier: l.id, Clean: !l.kept, Keepalive: 60,
		WillFlag: true, WillRetain: true, WillTopic: "home/will/" + l.id, WillPayload: []byte("gone"),
	}}
	p.FixedHeader.Type = packets.Connect
	if l.version == 5 {
		p.Properties.SessionExpiryIntervalFlag, p.Properties.SessionExpiryInterval = l.kept, 3600
		p.Properties.TopicAliasMaximum = l.aliases
		p.Connect.WillProperties.WillDelayInterval = l.delay
	}
	c, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	send(t, c, p.ConnectEncode)
	if ack := receive(t, c); ack[0] != packets.Connack<<4 || ack[2] != 0 || ack[3] != 0 {
		t.Fatalf("answered % x", ack) // also if there was a session
	}
	return c
}

func send(t testing.TB, c net.Conn, encode func(*bytes.Buffer) error) {
	t.Helper()
	var buf bytes.Buffer
	if err := encode(&buf); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(buf.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// receive returns the next packet, of less than 128 bytes.
func receive(t testing.TB, c net.Conn) []byte {
	t.Helper()
	p := make([]byte, 2)
	if _, err := io.ReadFull(c, p); err != nil {
		t.Fatal(err)
	}
	p = append(p, make([]byte, p[1])...)
	if _, err := io.ReadFull(c, p[2:]); err != nil {
		t.Fatal(err)
	}
	return p
}

// hear subscribes and returns the answer, behind the retained messages.
func hear(t testing.TB, c net.Conn, version, qos byte, filters ...string) []byte {
	t.Helper()
	p := packets.Packet{ProtocolVersion: version, PacketID: 1}
	p.FixedHeader.Type, p.FixedHeader.Qos = packets.Subscribe, 1
	for _, f := range filters {
		p.Filters = append(p.Filters, packets.Subscription{Filter: f, Qos: qos})
	}
	send(t, c, p.SubscribeEncode)
	for {
		if answer := receive(t, c); answer[0] == packets.Suback<<4 {
			return answer
		}
	}
}

// asBefore waits until the broker has what it had without any client.
func asBefore(t testing.TB, b *Broker) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	left := func() string {
		s := b.Stats()
		b.gate.mu.Lock()
		defer b.gate.mu.Unlock()
		b.gate.accounts.mu.Lock()
		defer b.gate.accounts.mu.Unlock()
		var accounts []string
		for name, a := range b.gate.accounts.of {
			if a.connections > 0 || a.subscriptions.topics > 0 || a.broad > 0 {
				accounts = append(accounts, name)
			}
		}
		found := len(b.server.Topics.Subscribers("a").Subscriptions)
		if s.Connections != 0 || s.Subscriptions != 0 || b.server.Clients.Len() != 1 || len(b.gate.present) != 0 || found != 0 || accounts != nil {
			return fmt.Sprintf("%d connections, %d subscriptions, %d clients, %d present, %d subscribers, accounts %v",
				s.Connections, s.Subscriptions, b.server.Clients.Len()-1, len(b.gate.present), found, accounts)
		}
		return ""
	}
	for left() != "" {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %s", left())
		}
		time.Sleep(time.Millisecond)
	}
}

// willOf returns what is retained of a client's last will.
func willOf(b *Broker, id string) string {
	m, _ := b.server.Topics.Retained.Get("home/will/" + id)
	return string(m.Payload)
}

// What no client should send, in hexadecimal: cut off, too long, with wrong flags, lengths,
// strings and properties, out of order.
var malformed = []string{
	"00 00", "f0 00", "ff ff ff ff ff", "80 80 80 80 80 00",
	"10 00", "10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00", "20 02 00 00", "20 00",
	"30 00", "30 01 00", "30 03 00 05 61", "30 03 00 01 23", "32 03 00 01 61", "32 05 00 01 61 00 00", "36 05 00 01 61 00 01",
	"3e 05 00 01 61 00 01", "34 07 00 01 61 00 01 05 01", "30 04 00 02 c3 28", "30 06 00 01 61 03 23 00", "30 07 00 01 61 03 23 00 00",
	"40 00", "40 01 00", "40 02 00 00", "40 04 00 01 ff 00", "40 05 00 01 00 05 1f",
	"50 00", "50 02 00 07", "52 02 00 07", "50 04 00 01 80 00",
	"60 00", "62 02 00 07", "60 02 00 07", "62 05 00 01 00 09 26",
	"70 00", "70 02 00 07", "70 04 00 01 ff ff",
	"80 00", "82 00", "82 01 00", "82 02 00 01", "82 05 00 01 00 01 61", "82 06 00 01 00 01 61 03", "82 06 00 02 00 00 01 61",
	"82 06 00 02 00 00 01 23", "82 07 00 02 00 00 01 61 ff", "82 07 00 02 02 0b 00 01 61", "82 06 00 00 00 01 61 00", "82 09 00 01 00 05 61 2f 23 2f 62 00",
	"82 0a 00 01 00 07 24 73 68 61 72 65 00", "82 0c 00 01 00 08 24 73 68 61 72 65 2f 61 00",
	"90 00", "90 03 00 01 00",
	"a0 00", "a2 00", "a2 02 00 01", "a2 04 00 01 00 01", "a2 05 00 01 00 01 61", "a2 06 00 01 00 00 01 61", "a2 05 00 00 00 01 61",
	"b0 00", "b0 02 00 01", "c0 01 00", "c1 00", "d0 00", "d0 02 00 00",
	"e0 01 00", "e0 02 04 00", "e0 03 00 05 11", "e0 07 00 05 11 00 00 0e 10", "e1 00", "e0 02 ff 00",
	"f0 01 00", "f0 02 18 00", "f0 05 18 03 15 00 05", "f0 02 ff ff",
}

// FuzzPackets has a client that is subscribed and has a last will send anything. However its
// connection ends then, the broker has nothing of it any more, and the will has been sent.
func FuzzPackets(f *testing.F) {
	for _, text := range malformed {
		p, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(4), p)
		f.Add(byte(5), p)
	}
	b := openBroker(f)
	f.Fuzz(func(t *testing.T, version byte, sent []byte) {
		if version != 4 && version != 5 {
			return
		}
		if err := b.Publish("home/will/x", nil, true); err != nil {
			t.Fatal(err)
		}
		c := login{version: version, id: "x"}.join(t, b)
		hear(t, c, version, 1, "a")
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		asBefore(t, b)
		takenBack := slices.ContainsFunc(sent, func(b byte) bool { return b>>4 == packets.Disconnect })
		if got := willOf(b, "x"); got != "gone" && !takenBack {
			t.Errorf("the last will is %q", got)
		}
	})
}

// A panic is no other end than any.
func TestAfterAPanicNothingOfAClientIsLeft(t *testing.T) {
	b := openBroker(t)
	c := login{version: 5, id: "x"}.join(t, b)
	hear(t, c, 5, 1, "a")
	c.Write([]byte{0x82, 0x06, 0x00, 0x02, 0x00, 0x00, 0x01, 'a'})
	io.Copy(io.Discard, c)
	asBefore(t, b)
	if got := willOf(b, "x"); got != "gone" {
		t.Errorf("the last will is %q", got)
	}
	if n := b.Stats().Refused["packet"]; n != 1 {
		t.Errorf("%d packets counted that the broker cannot take", n)
	}
	login{version: 5, id: "x"}.join(t, b)
}

// A last will that panics, as its handlers might, takes nothing else with it.
func TestALastWillThatPanics(t *testing.T) {
	b := openBroker(t)
	if err := b.Subscribe("home/will/+", func(Message) { panic("test") }); err != nil {
		t.Fatal(err)
	}
	c := login{version: 4, id: "x"}.join(t, b)
	hear(t, c, 4, 1, "a")
	c.Close()
	asBefore(t, b)
}
