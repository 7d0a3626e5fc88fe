package sdk

import (
	"bytes"
	"net/netip"
	"slices"

	"esper/emulator/network"
)

// espconn is a TCP connection that the program has opened.
type espconn struct {
	addr uint32 // of the program's struct
	id   int    // of the link

	open    bool
	closing bool   // it has ended, which the program is yet to be told
	last    call   // which does that
	sending []byte // what espconn_send was given, until it is sent
	source  uint32 // where that lies
}

// Results of the functions, and errors of the reconnect callback (espconn.h).
const (
	connOK         = 0
	connMemory     = -1
	connTimeout    = -3
	connRoute      = -4
	connInProgress = -5
	connTooMany    = -7
	connReset      = -9
	connConnect    = -11
	connArgument   = -12
	connIsOpen     = -15
)

// Fields of struct espconn and esp_tcp.
const (
	connType     = 0
	connState    = 4
	connTCP      = 8
	connReceived = 12
	connSent     = 16

	tcpRemotePort = 0
	tcpLocalPort  = 4
	tcpLocalIP    = 8
	tcpRemoteIP   = 12
	tcpConnected  = 16
	tcpReconnect  = 20
	tcpDisconnect = 24

	typeTCP = 0x10
)

// States in struct espconn.
const (
	stateNone    = 0
	stateWait    = 1
	stateConnect = 3
	stateWrite   = 4
	stateClose   = 6
)

// maxConns is the number of TCP connections that the SDK has room for.
const maxConns = 5

// maxSend is the most that espconn_send takes at once here, in bytes: what lwIP
// has as its send buffer.
const maxSend = 2 * network.Segment

func (s *SDK) conn(addr uint32) *espconn {
	i := slices.IndexFunc(s.conns, func(c espconn) bool { return c.addr == addr })
	if i < 0 {
		return nil
	}
	return &s.conns[i]
}

// espconnConnect is espconn_connect(espconn).
func (s *SDK) espconnConnect() uint32 {
	p := s.Chip.Arg(0)
	if p == 0 || s.load(p+connType) != typeTCP || s.load(p+connTCP) == 0 {
		return signed(connArgument)
	}
	tcp := s.load(p + connTCP)
	port := s.load(tcp + tcpRemotePort)
	switch {
	case port == 0 || port > 0xFFFF:
		return signed(connArgument)
	case s.conn(p) != nil:
		return signed(connIsOpen)
	case s.wifi.phase != gotIP:
		return signed(connRoute)
	case len(s.conns) == maxConns:
		return signed(connMemory)
	}
	s.lastID++
	s.conns = append(s.conns, espconn{addr: p, id: s.lastID})
	ip, _, _ := s.Link.Address()
	s.write(tcp+tcpLocalIP, ip[:])
	if s.load(tcp+tcpLocalPort) == 0 {
		s.store(tcp+tcpLocalPort, s.espconnPort())
	}
	s.store(p+connState, stateWait)
	s.Link.Connect(s.Now(), s.lastID, [4]byte(s.read(tcp+tcpRemoteIP, 4)), uint16(port))
	return connOK
}

// espconnPort is espconn_port(): a local port that is free.
func (s *SDK) espconnPort() uint32 {
	if s.lastPort++; s.lastPort > 0xFFFF {
		s.lastPort = 1025
	}
	return s.lastPort
}

// espconnDisconnect is espconn_disconnect(espconn), and espconn_abort(espconn),
// which resets. The disconnect callback follows.
func (s *SDK) espconnDisconnect() uint32 {
	p := s.Chip.Arg(0)
	c := s.conn(p)
	switch {
	case c == nil:
		return signed(connArgument)
	case c.closing:
		return signed(connInProgress)
	}
	if s.running && s.current.conn == p {
		s.misuse("%s is called from a callback of its connection", s.caller())
	}
	if s.caller() == "espconn_abort" {
		s.Link.Reset(s.Now(), c.id)
	} else {
		s.Link.Close(s.Now(), c.id)
	}
	s.dropCalls(p)
	s.ended(c, tcpDisconnect, 0)
	return connOK
}

// dropCalls forgets the callbacks of a connection that are queued.
func (s *SDK) dropCalls(p uint32) {
	s.calls = slices.DeleteFunc(s.calls, func(c call) bool {
		if c.conn != p {
			return false
		}
		if c.release != 0 {
			s.heap.release(s, c.release)
		}
		return true
	})
}

// ended begins the end of a connection. Until the callback that tells the program, its espconn can
// be neither connected again nor aborted.
func (s *SDK) ended(c *espconn, callback uint32, err int) {
	p := c.addr
	state := uint32(stateClose)
	if err != 0 {
		state = stateNone
	}
	s.store(p+connState, state)
	c.last = call{function: s.load(s.load(p+connTCP) + callback), args: [3]uint32{p, signed(err)}, conn: p}
	c.open, c.closing, c.id = false, true, 0
}

// isClosing reports whether a connection is.
func isClosing(c espconn) bool { return c.closing }

// tellEnd removes a connection that has ended, and queues its last callback. On the chip a task does
// that: timers come before it.
func (s *SDK) tellEnd() {
	if i := slices.IndexFunc(s.conns, isClosing); i >= 0 {
		last := s.conns[i].last
		s.conns = slices.Delete(s.conns, i, i+1)
		s.later(last)
	}
}

// espconnDelete is espconn_delete(espconn), which only servers need.
func (s *SDK) espconnDelete() uint32 {
	if s.conn(s.Chip.Arg(0)) != nil {
		return signed(connInProgress)
	}
	return signed(connArgument)
}

// espconnSend is espconn_send(espconn, data, length).
func (s *SDK) espconnSend() uint32 {
	p, data, n := s.Chip.Arg(0), s.Chip.Arg(1), s.Chip.Arg(2)&0xFFFF
	c := s.conn(p)
	switch {
	case c == nil || !c.open || data == 0 || n == 0:
		return signed(connArgument)
	case c.sending != nil:
		return signed(connTooMany)
	case n > maxSend:
		return signed(connMemory)
	}
	c.sending, c.source = s.read(data, int(n)), data
	s.store(p+connState, stateWrite)
	s.Link.Send(s.Now(), c.id, c.sending)
	return connOK
}

// register sets a callback in struct espconn.
func (s *SDK) register(field uint32) uint32 {
	p := s.Chip.Arg(0)
	if p == 0 {
		return signed(connArgument)
	}
	s.store(p+field, s.Chip.Arg(1))
	return connOK
}

// registerTCP sets a callback in struct esp_tcp.
func (s *SDK) registerTCP(field uint32) uint32 {
	p := s.Chip.Arg(0)
	if p == 0 || s.load(p+connTCP) == 0 {
		return signed(connArgument)
	}
	s.store(s.load(p+connTCP)+field, s.Chip.Arg(1))
	return connOK
}

// The functions espconn_regist_…(espconn, callback).
func (s *SDK) registerReceive() uint32    { return s.register(connReceived) }
func (s *SDK) registerSent() uint32       { return s.register(connSent) }
func (s *SDK) registerConnect() uint32    { return s.registerTCP(tcpConnected) }
func (s *SDK) registerReconnect() uint32  { return s.registerTCP(tcpReconnect) }
func (s *SDK) registerDisconnect() uint32 { return s.registerTCP(tcpDisconnect) }

// receiveHold is espconn_recv_hold(espconn).
func (s *SDK) receiveHold() uint32 { return s.hold(true) }

// receiveUnhold is espconn_recv_unhold(espconn).
func (s *SDK) receiveUnhold() uint32 { return s.hold(false) }

func (s *SDK) hold(on bool) uint32 {
	c := s.conn(s.Chip.Arg(0))
	if c == nil || c.closing {
		return signed(connArgument)
	}
	s.Link.Hold(s.Now(), c.id, on)
	return connOK
}

// espconnOption is a function that sets an option which makes no difference here.
func (s *SDK) espconnOption() uint32 {
	if s.Chip.Arg(0) == 0 {
		return signed(connArgument)
	}
	return connOK
}

// lookup is a name that is being looked up.
type lookup struct {
	id       int
	name     string
	callback uint32
	conn     uint32
}

// maxLookups is the size of lwIP's DNS table.
const maxLookups = 4

// maxName is the longest host name, in bytes.
const maxName = 255

// getHostByName is espconn_gethostbyname(espconn, name, address, callback).
func (s *SDK) getHostByName() uint32 {
	p, address, callback := s.Chip.Arg(0), s.Chip.Arg(2), s.Chip.Arg(3)
	name, err := s.Chip.String(s.Chip.Arg(1), maxName+1)
	if err != nil || name == "" || address == 0 {
		return signed(connArgument)
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is4() {
		b := ip.As4()
		s.write(address, b[:])
		return connOK
	}
	if len(s.lookups) == maxLookups {
		return signed(connMemory)
	}
	s.lastID++
	l := lookup{s.lastID, name, callback, p}
	s.lookups = append(s.lookups, l)
	if s.wifi.phase != gotIP {
		s.found(network.Event{ID: l.id, Error: network.NotFound})
	} else {
		s.Link.Resolve(s.Now(), l.id, name)
	}
	return signed(connInProgress)
}

// found queues the callback of a look-up.
func (s *SDK) found(e network.Event) {
	i := slices.IndexFunc(s.lookups, func(l lookup) bool { return l.id == e.ID })
	if i < 0 {
		return
	}
	l := s.lookups[i]
	s.lookups = slices.Delete(s.lookups, i, i+1)
	answer := s.give(append(append(e.IP[:], l.name...), 0)) // no room: no address
	c := call{function: l.callback, args: [3]uint32{answer, 0, l.conn}, release: answer}
	if answer != 0 {
		c.args[0] += 4
		if e.Error == network.None {
			c.args[1] = answer
		}
	}
	s.later(c)
}

// pollLink queues the callback of the next thing that happened in the network.
func (s *SDK) pollLink() {
	for len(s.calls) == 0 {
		if s.stalled != nil {
			if s.Chip.CPU.Cycles < s.stalledUntil {
				return
			}
			e := *s.stalled
			s.stalled = nil
			s.happened(e)
			continue
		}
		e, ok := s.Link.Poll(s.Now())
		if !ok {
			return
		}
		s.happened(e)
	}
}

// stallTime is how long data waits that the heap has no room for: lwIP drops them,
// and the other side sends them again.
const stallTime = 300 * cyclesPerMillisecond

func (s *SDK) happened(e network.Event) {
	defer s.catch()
	if s.sntpHappened(e) {
		return
	}
	if e.Kind == network.Resolved {
		s.found(e)
		return
	}
	i := slices.IndexFunc(s.conns, func(c espconn) bool { return c.id == e.ID })
	if i < 0 {
		return
	}
	c := &s.conns[i]
	p := c.addr
	switch e.Kind {
	case network.Connected:
		c.open = true
		s.store(p+connState, stateConnect)
		s.later(call{function: s.load(s.load(p+connTCP) + tcpConnected), args: [3]uint32{p}, conn: p})
	case network.Data:
		data := s.give(e.Data)
		if data == 0 {
			s.stalled, s.stalledUntil = &e, s.Chip.CPU.Cycles+stallTime
			return
		}
		s.later(call{function: s.load(p + connReceived), args: [3]uint32{p, data, uint32(len(e.Data))}, release: data, conn: p})
	case network.Sent:
		if !bytes.Equal(s.read(c.source, len(c.sending)), c.sending) {
			s.misuse("the data of espconn_send have changed before they were sent")
		}
		c.sending = nil
		s.store(p+connState, stateConnect)
		s.later(call{function: s.load(p + connSent), args: [3]uint32{p}, conn: p})
	case network.Closed:
		s.ended(c, tcpDisconnect, 0)
	case network.Failed:
		err := connTimeout
		switch {
		case e.Error == network.Refused || e.Error == network.Reset:
			err = connReset
		case !c.open:
			err = connConnect
		}
		s.ended(c, tcpReconnect, err)
	}
}
