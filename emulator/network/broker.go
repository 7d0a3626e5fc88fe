package network

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Broker is an MQTT 3.1.1 broker for a Memory network: clean sessions and QoS 0,
// which is what devices use. It is strict: a client that breaks the protocol is
// disconnected, and the reason is kept.
type Broker struct {
	// OnMessage, if set, is called for each message published, wills included.
	OnMessage func(Message)
	// Refuse, if not 0, is the return code that connections are refused with.
	Refuse byte
	// Users, if not nil, are who may log in: passwords by user. Others are refused with return code 5.
	Users map[string]string

	net      *Memory
	clients  map[int]*client // by connection
	retained map[string][]byte
	messages []Message
	errors   []string
}

// Message is something that was published.
type Message struct {
	At      time.Duration
	Client  string // that published it; empty: the broker's own Publish
	Topic   string
	Payload string
	Retain  bool
}

// client is one connection.
type client struct {
	id        string // empty until CONNECT
	in        []byte
	filters   []string
	will      *Message
	keepAlive time.Duration // 0: none
	heard     time.Duration
}

// maxPacket is the most that a client may send at once, in bytes.
const maxPacket = 64 << 10

// NewBroker makes a broker. Put it at a host's port with Listen.
func NewBroker(m *Memory) *Broker {
	return &Broker{net: m, clients: map[int]*client{}, retained: map[string][]byte{}}
}

// Messages is everything published so far.
func (b *Broker) Messages() []Message { return b.messages }

// Retained is the retained message of a topic.
func (b *Broker) Retained(topic string) (string, bool) {
	payload, ok := b.retained[topic]
	return string(payload), ok
}

// Topics are the topics that have a retained message, sorted.
func (b *Broker) Topics() []string { return slices.Sorted(maps.Keys(b.retained)) }

// Clients are the ids of the clients that are connected, sorted.
func (b *Broker) Clients() []string {
	var ids []string
	for _, c := range b.clients {
		if c.id != "" {
			ids = append(ids, c.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Errors are the reasons for which clients have been disconnected.
func (b *Broker) Errors() []string { return b.errors }

// Publish publishes a message of the broker's own, now.
func (b *Broker) Publish(topic, payload string, retain bool) {
	b.publish(Message{Topic: topic, Payload: payload, Retain: retain})
}

func (b *Broker) publish(m Message) {
	m.At = b.net.now
	b.messages = append(b.messages, m)
	if m.Retain {
		if m.Payload == "" {
			delete(b.retained, m.Topic) // [MQTT-3.3.1-10]
		} else {
			b.retained[m.Topic] = []byte(m.Payload)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(b.clients)) {
		if c := b.clients[n]; slices.ContainsFunc(c.filters, func(f string) bool { return matches(f, m.Topic) }) {
			b.deliver(n, m.Topic, []byte(m.Payload), false) // [MQTT-3.3.1-9]
		}
	}
	if b.OnMessage != nil {
		b.OnMessage(m)
	}
}

func (b *Broker) deliver(n int, topic string, payload []byte, retained bool) {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: retained},
		TopicName:   topic,
		Payload:     payload,
	}
	var buf bytes.Buffer
	_ = pk.PublishEncode(&buf)
	Conn{b.net, n}.Send(buf.Bytes())
}

// matches says whether a topic filter takes in a topic (MQTT 3.1.1, section 4.7).
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (filter[0] == '#' || filter[0] == '+') {
		return false
	}
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}

// Accept takes a connection.
func (b *Broker) Accept(c Conn) { b.clients[c.ID] = &client{heard: b.net.now} }

// Closed publishes the will of a client that is gone.
func (b *Broker) Closed(c Conn) {
	k := b.clients[c.ID]
	if k == nil {
		return
	}
	delete(b.clients, c.ID)
	if k.will != nil {
		b.publish(*k.will)
	}
}

// drop disconnects a client that broke a rule.
func (b *Broker) drop(c Conn, why error) {
	k := b.clients[c.ID]
	if k == nil { // an answer has cut the connection off already
		return
	}
	b.errors = append(b.errors, fmt.Sprintf("%s: %v", k.id, why))
	c.Reset()
	b.Closed(c)
}

// Receive takes what a client sent.
func (b *Broker) Receive(c Conn, data []byte) {
	k := b.clients[c.ID]
	if k == nil {
		return
	}
	k.heard = b.net.now
	k.in = append(k.in, data...)
	for b.clients[c.ID] == k {
		pk, rest, err := split(k.in)
		if err != nil {
			b.drop(c, err)
			return
		}
		if pk == nil {
			return
		}
		k.in = rest
		if err := b.handle(c, k, pk); err != nil {
			b.drop(c, err)
			return
		}
	}
}

// split takes the first packet off the data: the header decoded, the rest of it
// in Payload. nil: it is not all there.
func split(data []byte) (*packets.Packet, []byte, error) {
	if len(data) < 2 {
		return nil, data, nil
	}
	pk := &packets.Packet{ProtocolVersion: 4}
	if err := pk.FixedHeader.Decode(data[0]); err != nil {
		return nil, data, err
	}
	n, used, err := packets.DecodeLength(bytes.NewReader(data[1:]))
	switch {
	case err == io.EOF:
		return nil, data, nil
	case err != nil:
		return nil, data, err
	case n > maxPacket:
		return nil, data, fmt.Errorf("a packet of %d bytes", n)
	case len(data) < 1+used+n:
		return nil, data, nil
	}
	pk.FixedHeader.Remaining = n
	pk.Payload = bytes.Clone(data[1+used : 1+used+n]) // the decoders keep parts of it
	return pk, data[1+used+n:], nil
}

// handle does what a packet asks for.
func (b *Broker) handle(c Conn, k *client, pk *packets.Packet) error {
	body := pk.Payload
	pk.Payload = nil
	if (pk.FixedHeader.Type == packets.Connect) != (k.id == "") {
		return fmt.Errorf("%s at the wrong time", packets.PacketNames[pk.FixedHeader.Type])
	}
	var answer bytes.Buffer
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return b.connect(c, k, pk, body)
	case packets.Publish:
		if err := pk.PublishDecode(body); err != nil {
			return err
		}
		if pk.FixedHeader.Qos != 0 || !isTopic(pk.TopicName) {
			return fmt.Errorf("a publish to %q with QoS %d", pk.TopicName, pk.FixedHeader.Qos)
		}
		b.publish(Message{Client: k.id, Topic: pk.TopicName, Payload: string(pk.Payload), Retain: pk.FixedHeader.Retain})
	case packets.Subscribe:
		if err := pk.SubscribeDecode(body); err != nil {
			return err
		}
		if len(pk.Filters) == 0 || pk.PacketID == 0 { // [MQTT-3.8.3-3], [MQTT-2.3.1-1]
			return fmt.Errorf("a subscription without filter or packet id")
		}
		reply := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Suback},
			ProtocolVersion: 4, PacketID: pk.PacketID, ReasonCodes: make([]byte, len(pk.Filters))}
		if err := reply.SubackEncode(&answer); err != nil {
			return err
		}
		c.Send(answer.Bytes())
		for _, s := range pk.Filters {
			if s.Filter == "" {
				return fmt.Errorf("a subscription to nothing")
			}
			if !slices.Contains(k.filters, s.Filter) {
				k.filters = append(k.filters, s.Filter)
			}
			for _, topic := range b.Topics() {
				if matches(s.Filter, topic) {
					b.deliver(c.ID, topic, b.retained[topic], true)
				}
			}
		}
	case packets.Unsubscribe:
		if err := pk.UnsubscribeDecode(body); err != nil {
			return err
		}
		for _, s := range pk.Filters {
			k.filters = slices.DeleteFunc(k.filters, func(f string) bool { return f == s.Filter })
		}
		reply := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, ProtocolVersion: 4, PacketID: pk.PacketID}
		if err := reply.UnsubackEncode(&answer); err != nil {
			return err
		}
		c.Send(answer.Bytes())
	case packets.Pingreq:
		c.Send([]byte{packets.Pingresp << 4, 0})
	case packets.Disconnect:
		k.will = nil
		delete(b.clients, c.ID)
		c.Close()
	default:
		return fmt.Errorf("%s from a client", packets.PacketNames[pk.FixedHeader.Type])
	}
	return nil
}

// connect opens a session, ending another of the same client.
func (b *Broker) connect(c Conn, k *client, pk *packets.Packet, body []byte) error {
	if err := pk.ConnectDecode(body); err != nil {
		return err
	}
	if code := pk.ConnectValidate(); code.Code != packets.CodeSuccess.Code {
		return code
	}
	p := pk.Connect
	if pk.ProtocolVersion != 4 || !p.Clean || p.ClientIdentifier == "" {
		return fmt.Errorf("not a clean session of MQTT 3.1.1 with a client id")
	}
	if p.WillFlag && !isTopic(p.WillTopic) {
		return fmt.Errorf("a last will to %q", p.WillTopic)
	}
	code := b.Refuse
	if password, known := b.Users[string(p.Username)]; b.Users != nil && !(known && password == string(p.Password)) {
		code = packets.Err3NotAuthorized.Code
	}
	c.Send([]byte{packets.Connack << 4, 2, 0, code})
	if code != 0 {
		delete(b.clients, c.ID)
		c.Close()
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(b.clients)) {
		if b.clients[n].id == p.ClientIdentifier { // [MQTT-3.1.4-2]
			Conn{b.net, n}.Close()
			b.Closed(Conn{b.net, n})
		}
	}
	k.id = p.ClientIdentifier
	k.keepAlive = time.Duration(p.Keepalive) * time.Second
	if p.WillFlag {
		k.will = &Message{Client: k.id, Topic: p.WillTopic, Payload: string(p.WillPayload), Retain: p.WillRetain}
	}
	return nil
}

// isTopic reports whether a message can be published to a topic [MQTT-3.3.2-2].
func isTopic(topic string) bool { return topic != "" && !strings.ContainsAny(topic, "+#") }

// expiry is when a silent client is given up [MQTT-3.1.2-24]; 10 s for one that
// does not say who it is.
func (k *client) expiry() (time.Duration, bool) {
	if k.id == "" {
		return k.heard + 10*time.Second, true
	}
	return k.heard + k.keepAlive*3/2, k.keepAlive > 0
}

// Next is when the next client would have been silent for too long.
func (b *Broker) Next() (time.Duration, bool) {
	var next time.Duration
	any := false
	for _, k := range b.clients {
		if t, ok := k.expiry(); ok && (!any || t < next) {
			next, any = t, true
		}
	}
	return next, any
}

// Wake drops the clients that have been silent for too long.
func (b *Broker) Wake(now time.Duration) {
	for _, n := range slices.Sorted(maps.Keys(b.clients)) {
		k := b.clients[n]
		if k == nil {
			continue
		}
		if t, ok := k.expiry(); ok && t <= now {
			c := Conn{b.net, n}
			c.Reset()
			b.Closed(c)
		}
	}
}

// Clone copies the broker. OnMessage goes along.
func (b *Broker) Clone(m *Memory) Peer {
	k := *b
	k.net = m
	k.clients = map[int]*client{}
	for n, c := range b.clients {
		d := *c
		d.in, d.filters = slices.Clone(c.in), slices.Clone(c.filters)
		k.clients[n] = &d
	}
	k.retained, k.Users = maps.Clone(b.retained), maps.Clone(b.Users)
	k.messages, k.errors = slices.Clone(b.messages), slices.Clone(b.errors)
	return &k
}
