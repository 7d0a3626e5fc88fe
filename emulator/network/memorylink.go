package network

import (
	"net/netip"
	"slices"
	"time"
)

// MemoryLink is a device's link to a Memory network.
type MemoryLink struct {
	net    *Memory
	index  int
	ids    map[int]int // the device's ids to connections
	events []linkEvent // in the order of their times
	upFree time.Duration
	dnFree time.Duration
	epoch  int
	asleep bool
}

type linkEvent struct {
	at time.Duration
	Event
}

// Link adds a device to the network.
func (m *Memory) Link() *MemoryLink {
	l := &MemoryLink{net: m, index: len(m.links), ids: map[int]int{}}
	m.links = append(m.links, l)
	return l
}

// Links are the links in the order in which they were added.
func (m *Memory) Links() []*MemoryLink { return m.links }

// Address is 10.0.0.100 and so on.
func (l *MemoryLink) Address() (ip, mask, gateway [4]byte) {
	return [4]byte{10, 0, 0, byte(100 + l.index)}, [4]byte{255, 255, 255, 0}, [4]byte{10, 0, 0, 1}
}

// Up says whether the access point is on.
func (l *MemoryLink) Up() bool { return !l.net.off }

// Admits reports whether the network is there and has that password.
func (l *MemoryLink) Admits(ssid, password string) bool {
	of, found := l.net.networks[ssid]
	return !l.net.off && (l.net.networks == nil || found && of == password)
}

// Wake is nil: Next tells all.
func (l *MemoryLink) Wake() <-chan struct{} { return nil }

// packet is what the headers of a packet add to its bytes, about.
const packet = 60

// airtime reserves the radio from now on and returns when the bytes are through.
func (m *Memory) airtime(free *time.Duration, now time.Duration, bytes int) time.Duration {
	*free = max(*free, now) + time.Duration(bytes+packet)*8*time.Second/time.Duration(m.Bandwidth)
	return *free
}

// Resolve finds a host by name; addresses are found as they are.
func (l *MemoryLink) Resolve(now time.Duration, id int, host string) {
	i, epoch := l.index, l.epoch
	arrival := l.net.airtime(&l.upFree, now, len(host)) + 2*l.net.Latency
	l.net.later(arrival, func(m *Memory) {
		l := m.links[i]
		if l.epoch != epoch {
			return
		}
		e := Event{Kind: Resolved, ID: id, Error: NotFound}
		if h := m.Host(host); h != nil && !m.off {
			e.IP, e.Error = h.IP, None
		} else if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			e.IP, e.Error = a.As4(), None
		}
		l.post(m.now, e)
	})
}

// post gives the device an event. Times never run backwards.
func (l *MemoryLink) post(at time.Duration, e Event) {
	l.events = append(l.events, linkEvent{at, e})
}

// Connect opens a connection to a host.
func (l *MemoryLink) Connect(now time.Duration, id int, ip [4]byte, port uint16) {
	m := l.net
	l.Reset(now, id)
	m.nextConn++
	c := &conn{number: m.nextConn, link: l.index, id: id, port: port}
	if c.host = m.Host(netip.AddrFrom4(ip).String()); c.host == nil { // nobody answers there
		c.host = &Host{IP: ip, Silent: true}
	}
	m.conns[c.number] = c
	l.ids[id] = c.number
	m.carry(m.airtime(&l.upFree, now, 0)+m.Latency, c.number, up, func(m *Memory, c *conn) { c.arrive(m) })
}

// conn finds a connection of the device; nil if it is gone.
func (l *MemoryLink) conn(id int) *conn { return l.net.conns[l.ids[id]] }

// Send sends data, and a Sent event follows.
func (l *MemoryLink) Send(now time.Duration, id int, data []byte) {
	c := l.conn(id)
	if c == nil {
		return
	}
	data = slices.Clone(data)
	at := l.net.airtime(&l.upFree, now, len(data)) + l.net.Latency
	l.net.carry(at, c.number, up, func(m *Memory, c *conn) { c.receive(m, data) })
}

// Close ends the device's side, behind what was sent before.
func (l *MemoryLink) Close(now time.Duration, id int) {
	c := l.conn(id)
	if c == nil {
		return
	}
	c.deviceGone = true
	l.forget(id)
	at := l.net.airtime(&l.upFree, now, 0) + l.net.Latency
	l.net.carry(at, c.number, up, func(m *Memory, c *conn) { c.leftByDevice(m) })
}

// Reset does the same here: the host hears of it no earlier.
func (l *MemoryLink) Reset(now time.Duration, id int) { l.Close(now, id) }

// forget drops a connection's id and events.
func (l *MemoryLink) forget(id int) {
	delete(l.ids, id)
	l.events = slices.DeleteFunc(l.events, func(e linkEvent) bool {
		return e.ID == id && e.Kind != Resolved && e.Kind != Told
	})
}

// Hold stops and starts acknowledging.
func (l *MemoryLink) Hold(now time.Duration, id int, on bool) {
	c := l.conn(id)
	if c == nil {
		return
	}
	c.held = on
	if !on && c.unread > 0 {
		c.acknowledge(l.net, now, c.unread)
		c.unread = 0
	}
}

// Sleep leaves it to the hosts to find out that the device does not answer.
func (l *MemoryLink) Sleep(time.Duration) { l.asleep = true }

// Restart forgets everything without a word to the hosts, which find out when
// they send.
func (l *MemoryLink) Restart(time.Duration) {
	l.epoch++
	l.asleep = false
	for _, n := range l.ids {
		if c := l.net.conns[n]; c != nil {
			c.deviceGone = true
		}
	}
	clear(l.ids)
	l.events = nil
}

// Poll returns the next event that is due.
func (l *MemoryLink) Poll(now time.Duration) (Event, bool) {
	if !l.net.paced {
		l.net.Advance(now)
	}
	if l.asleep || len(l.events) == 0 || l.events[0].at > now {
		return Event{}, false
	}
	e := l.events[0].Event
	l.events = l.events[1:]
	switch c := l.conn(e.ID); e.Kind {
	case Data:
		if c.held {
			c.unread++
		} else {
			c.acknowledge(l.net, now, 1)
		}
	case Closed, Failed:
		l.forget(e.ID)
		delete(l.net.conns, c.number)
	}
	return e, true
}

// Next is when an event will be due, or, on a network that is not paced, when
// something happens that may cause one.
func (l *MemoryLink) Next() (time.Duration, bool) {
	if len(l.events) > 0 && !l.asleep {
		return l.events[0].at, true
	}
	if l.net.paced {
		return 0, false
	}
	return l.net.Next()
}
