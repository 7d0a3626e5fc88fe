package network

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Memory is a network in memory, on virtual time: devices on one side of an
// access point, named hosts on the other. It has no goroutines, and the same
// calls give the same events. It is for one goroutine.
//
// Everything sent takes Latency and, one packet behind another on its device's
// radio, the time of its bytes at Bandwidth. What is lost, because a host is
// silent, a device asleep or the access point off, is sent again every second, for Patience.
type Memory struct {
	Latency   time.Duration // one way
	Bandwidth int           // bits a second, each device, each way
	// Unknown, if set, is asked for a host by a name or address that none has, and
	// may add one. A Clone has it, too.
	Unknown func(name string) *Host

	now      time.Duration
	epoch    time.Time // the wall clock at time 0
	seq      int       // orders what happens at the same time
	off      bool
	networks map[string]string // password by SSID; nil: any
	paced    bool              // hosts advance by Advance alone, not by Poll
	hosts    []*Host
	links    []*MemoryLink
	conns    map[int]*conn
	nextConn int
	queue    []happening // ordered by time, then seq; small
}

// NewMemory makes a network with the latency and bandwidth of a modest WiFi.
func NewMemory() *Memory {
	return &Memory{
		Latency: 2 * time.Millisecond, Bandwidth: 2_000_000,
		epoch: defaultClock, conns: map[int]*conn{},
	}
}

// Host is a computer on a Memory network.
type Host struct {
	Name   string
	IP     [4]byte
	Down   bool // answers connections with a reset, and has no open ones
	Silent bool // nothing reaches it, nothing comes from it
	// TimeServer says that it tells the time of Memory.Clock by SNTP.
	TimeServer bool
	// CutAfter, if not 0, resets each connection when it has sent that many bytes.
	CutAfter int

	ports []port
}

type port struct {
	number uint16
	peer   Peer
}

// Peer is a server on a host's port. It is called at the virtual time at which
// things reach the host, and acts through the Conns it is given.
type Peer interface {
	Accept(c Conn)
	Receive(c Conn, data []byte)
	Closed(c Conn)
	// Wake is called at the time that Next last told, or later.
	Wake(now time.Duration)
	Next() (time.Duration, bool)
	// Clone copies the peer, into a copy of its network in which connections
	// have the same ids.
	Clone(m *Memory) Peer
}

// AddHost adds a host with the next free address of 10.0.0.0/24, from 10.0.0.10.
func (m *Memory) AddHost(name string) *Host {
	h := &Host{Name: name, IP: [4]byte{10, 0, 0, byte(10 + len(m.hosts))}}
	m.hosts = append(m.hosts, h)
	return h
}

// Host finds a host by its name or address; nil if there is none.
func (m *Memory) Host(name string) *Host {
	for _, h := range m.hosts {
		if h.Name == name || netip.AddrFrom4(h.IP).String() == name {
			return h
		}
	}
	if m.Unknown != nil {
		return m.Unknown(name)
	}
	return nil
}

// AnyPort is where a peer listens that takes all ports at which no other does.
const AnyPort = 0

// Listen puts a peer at a port that was free.
func (h *Host) Listen(number uint16, p Peer) { h.ports = append(h.ports, port{number, p}) }

// Replace puts another peer at a port that is in use. It gets what comes over open
// connections, too.
func (h *Host) Replace(number uint16, p Peer) {
	for i := range h.ports {
		if h.ports[i].number == number {
			h.ports[i].peer = p
		}
	}
}

// Peer is what listens at a port; nil if nothing does.
func (h *Host) Peer(number uint16) Peer {
	var any Peer
	for _, p := range h.ports {
		if p.number == number {
			return p.peer
		}
		if p.number == AnyPort {
			any = p.peer
		}
	}
	return any
}

// Now is the time up to which everything has happened.
func (m *Memory) Now() time.Duration { return m.now }

// SetAccessPoint turns the access point on or off.
func (m *Memory) SetAccessPoint(on bool) { m.off = !on }

// SetNetworks says which WiFi networks there are, each with its password, from now on; nil: any
// network, with any password. Devices lose the one that they are in if it is not among them.
func (m *Memory) SetNetworks(passwords map[string]string) { m.networks = maps.Clone(passwords) }

// SetDown takes a host off, resetting its connections, or brings it back.
func (m *Memory) SetDown(h *Host, down bool) {
	h.Down = down
	if !down {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.conns)) {
		if c := m.conns[id]; c.host == h && c.open && !c.hostGone {
			c.cut(m)
			c.pump(m)
		}
	}
}

// Pace leaves it to Advance alone to move the hosts, for devices in lock step.
func (m *Memory) Pace() { m.paced = true }

// happening is something that reaches a host or a device.
type happening struct {
	at  time.Duration
	seq int
	do  func(m *Memory) // must name what it touches by number, for Clone's sake

	// A packet of a connection may be lost on the way, and is then sent again.
	// It is dropped when the connection is gone.
	conn int // 0: not of a connection, always happens
	way  way
	sent time.Duration // first
}

// way is the direction of a packet.
type way int

const (
	up way = iota
	down
)

// later lets something happen that is no packet.
func (m *Memory) later(at time.Duration, do func(m *Memory)) {
	m.push(happening{at: at, do: do})
}

// carry lets a packet of a connection arrive.
func (m *Memory) carry(at time.Duration, conn int, w way, do func(m *Memory, c *conn)) {
	m.push(happening{at: at, conn: conn, way: w, sent: at, do: func(m *Memory) { do(m, m.conns[conn]) }})
}

func (m *Memory) push(h happening) {
	m.seq++
	h.seq = m.seq
	i, _ := slices.BinarySearchFunc(m.queue, h, func(a, b happening) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
	})
	m.queue = slices.Insert(m.queue, i, h)
}

// Advance lets everything happen up to the time given.
func (m *Memory) Advance(to time.Duration) {
	for {
		due, any := m.Next()
		if !any || due > to {
			break
		}
		m.now = max(m.now, due)
		if len(m.queue) > 0 && m.queue[0].at <= due {
			h := m.queue[0]
			m.queue = m.queue[1:]
			m.happen(h)
			continue
		}
		for _, h := range m.hosts {
			for _, p := range h.ports {
				if t, ok := p.peer.Next(); ok && t <= due {
					p.peer.Wake(m.now)
				}
			}
		}
	}
	m.now = max(m.now, to)
}

func (m *Memory) happen(h happening) {
	if h.conn == 0 {
		h.do(m)
		return
	}
	c := m.conns[h.conn]
	switch {
	case c == nil:
	case m.now < c.resent[h.way]: // behind one that was lost
		h.at = c.resent[h.way]
		m.push(h)
	case !m.off && !c.host.Silent && !(h.way == down && m.links[c.link].asleep):
		h.do(m)
	case m.now-h.sent < Patience:
		h.at = m.now + time.Second
		c.resent[h.way] = h.at
		m.push(h)
	default:
		c.fail(m, Timeout)
	}
}

// Next is when the next thing happens at a host or on the way.
func (m *Memory) Next() (time.Duration, bool) {
	var next time.Duration
	any := false
	if len(m.queue) > 0 {
		next, any = m.queue[0].at, true
	}
	for _, h := range m.hosts {
		for _, p := range h.ports {
			if t, ok := p.peer.Next(); ok && (!any || t < next) {
				next, any = t, true
			}
		}
	}
	return next, any
}

// Clone copies the network with everything on its way. The copy's Links are
// the copies of this one's, in the same order.
func (m *Memory) Clone() *Memory {
	n := *m
	n.queue = slices.Clone(m.queue)
	n.hosts, n.links, n.conns = nil, nil, map[int]*conn{}
	twin := map[*Host]*Host{}
	for _, h := range m.hosts {
		k := *h
		k.ports = nil
		for _, p := range h.ports {
			k.Listen(p.number, p.peer.Clone(&n))
		}
		twin[h] = &k
		n.hosts = append(n.hosts, &k)
	}
	for _, l := range m.links {
		k := *l
		k.net = &n
		k.ids = maps.Clone(l.ids)
		k.events = slices.Clone(l.events)
		n.links = append(n.links, &k)
	}
	for id, c := range m.conns {
		k := *c
		k.host = twin[c.host]
		k.out = slices.Clone(c.out)
		n.conns[id] = &k
	}
	return &n
}
