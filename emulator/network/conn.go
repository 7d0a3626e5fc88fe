package network

import (
	"slices"
	"time"
)

// Conn is a peer's end of a connection.
type Conn struct {
	Net *Memory
	ID  int
}

// Host is where the device has connected to, and Port at which port.
func (c Conn) Host() *Host { return c.Net.conns[c.ID].host }

// Port is the host's.
func (c Conn) Port() uint16 { return c.Net.conns[c.ID].port }

// Send sends data to the device.
func (c Conn) Send(data []byte) {
	if k := c.Net.conns[c.ID]; k != nil && !k.hostGone {
		k.out = append(k.out, data...)
		k.pump(c.Net)
	}
}

// Close closes the connection behind what was sent. The peer's Closed is not called.
func (c Conn) Close() { c.end(Event{Kind: Closed}) }

// Reset resets the connection at once. The peer's Closed is not called.
func (c Conn) Reset() { c.end(Event{Kind: Failed, Error: Reset}) }

func (c Conn) end(how Event) {
	if k := c.Net.conns[c.ID]; k != nil && !k.hostGone {
		k.hostGone, k.ending = true, how
		k.pump(c.Net)
	}
}

// conn is one TCP connection, both ends of it.
type conn struct {
	number int
	link   int
	id     int // the device's
	host   *Host
	port   uint16

	open       bool             // the host has accepted it
	hostGone   bool             // the host has closed or reset, or knows that the device has
	ending     Event            // what the device is told then, behind the data
	ended      bool             // that is on its way
	deviceGone bool             // the device has closed or forgotten it
	held       bool             // by the device
	unread     int              // segments that it took meanwhile
	resent     [2]time.Duration // when lost packets are sent again, each way

	out      []byte // what the host has not sent yet, for want of window
	sent     int    // bytes sent by the host
	inFlight int    // segments sent and not yet acknowledged
}

// peer serves the connection.
func (c *conn) peer() Peer { return c.host.Peer(c.port) }

// arrive is the device's first packet reaching the host.
func (c *conn) arrive(m *Memory) {
	answer := Event{Kind: Connected}
	if c.host.Down || c.peer() == nil {
		answer = Event{Kind: Failed, Error: Refused}
	}
	c.reply(m, answer)
	if answer.Kind == Connected {
		c.open = true
		c.peer().Accept(Conn{m, c.number})
	}
}

// receive is data reaching the host.
func (c *conn) receive(m *Memory, data []byte) {
	if c.hostGone {
		c.reply(m, Event{Kind: Failed, Error: Reset})
		return
	}
	c.reply(m, Event{Kind: Sent})
	c.peer().Receive(Conn{m, c.number}, data)
}

// reply sends a packet without data to the device.
func (c *conn) reply(m *Memory, e Event) {
	at := m.airtime(&m.links[c.link].dnFree, m.now, 0) + m.Latency
	m.carry(at, c.number, down, func(m *Memory, c *conn) { c.tell(m, e) })
}

// pump sends what the window allows, and the end behind the last data.
func (c *conn) pump(m *Memory) {
	for len(c.out) > 0 && c.inFlight < Window && c.ending.Kind != Failed {
		data := slices.Clone(c.out[:min(Segment, len(c.out))])
		cut := c.host.CutAfter
		if cut > 0 {
			data = data[:min(len(data), max(cut-c.sent, 0))]
		}
		c.out = c.out[len(data):]
		c.sent += len(data)
		c.inFlight++
		at := m.airtime(&m.links[c.link].dnFree, m.now, len(data)) + m.Latency
		m.carry(at, c.number, down, func(m *Memory, c *conn) { c.tell(m, Event{Kind: Data, Data: data}) })
		if cut > 0 && c.sent >= cut {
			c.cut(m)
		}
	}
	if c.hostGone && !c.ended && (len(c.out) == 0 || c.ending.Kind == Failed) {
		c.ended = true
		c.reply(m, c.ending)
	}
}

// cut breaks the connection off for a peer that did not ask for it.
func (c *conn) cut(m *Memory) {
	if !c.hostGone {
		c.peer().Closed(Conn{m, c.number})
	}
	c.hostGone, c.ending = true, Event{Kind: Failed, Error: Reset}
}

// tell is an event of this connection reaching the device. One that does not
// know the connection any more answers with a reset.
func (c *conn) tell(m *Memory, e Event) {
	if c.deviceGone {
		at := m.airtime(&m.links[c.link].upFree, m.now, 0) + m.Latency
		m.carry(at, c.number, up, func(m *Memory, c *conn) { c.leftByDevice(m) })
		return
	}
	e.ID = c.id
	m.links[c.link].post(m.now, e)
}

// acknowledge opens the window by n segments, as soon as the host hears of it.
func (c *conn) acknowledge(m *Memory, now time.Duration, n int) {
	m.carry(now+m.Latency, c.number, up, func(m *Memory, c *conn) {
		c.inFlight -= n
		c.pump(m)
	})
}

// leftByDevice tells the peer that the device has closed, and ends the connection.
func (c *conn) leftByDevice(m *Memory) {
	if c.open && !c.hostGone {
		c.hostGone = true
		c.peer().Closed(Conn{m, c.number})
	}
	delete(m.conns, c.number)
}

// fail ends the connection on both sides.
func (c *conn) fail(m *Memory, why Error) {
	if c.open && !c.hostGone {
		c.hostGone = true
		c.peer().Closed(Conn{m, c.number})
	}
	if c.deviceGone {
		delete(m.conns, c.number)
		return
	}
	m.links[c.link].post(m.now, Event{Kind: Failed, ID: c.id, Error: why})
}
