package gateway

import (
	"bytes"
	"io"
	"maps"
	"net/netip"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"esper/emulator/network"
)

// conn is a TCP connection of the device's, that ends in the stack, and its continuation on
// the link.
type conn struct {
	id    int // the link's
	tuple tuple

	syn      []byte         // the device's first packet, until the link has answered
	endpoint tcpip.Endpoint // from the device's third packet on

	sending  int    // pieces that the link has not acknowledged
	out      []byte // what the device's window had no room for
	held     bool   // for that the link holds back
	closing  bool   // the link's side has closed
	shut     bool   // the device knows that
	finished bool   // the device's side has closed
}

// tuple names a connection.
type tuple struct {
	port     uint16 // the device's
	host     netip.Addr
	hostPort uint16
}

// at is where the device wants to.
func (t tuple) at() netip.AddrPort { return netip.AddrPortFrom(t.host, t.hostPort) }

// maxSending is how many pieces the link is given before it has acknowledged the first.
const maxSending = 4

// sendBuffer is what the stack keeps for a device that has not acknowledged it, in bytes.
const sendBuffer = network.Window * network.Segment

// tcp takes a packet of the device's. The first of a connection waits until the link has one.
func (g *Gateway) tcp(now time.Duration, h header.IPv4, t header.TCP, packet []byte) {
	if t.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
		g.inject(packet)
		return
	}
	host := netip.AddrFrom4(h.DestinationAddress().As4())
	name := tuple{t.SourcePort(), host, t.DestinationPort()}
	for _, c := range g.conns {
		switch {
		case c.tuple != name:
		case c.syn != nil: // sent again
			return
		case c.endpoint == nil: // the answer was lost
			g.inject(packet)
			return
		default: // the port is used again
			g.drop(now, c)
		}
	}
	g.lastID++
	g.conns[g.lastID] = &conn{id: g.lastID, tuple: name, syn: bytes.Clone(packet)}
	g.link.Connect(now, g.lastID, host.As4(), name.hostPort)
}

// event takes what the link has.
func (g *Gateway) event(e network.Event) {
	if e.Kind == network.Resolved {
		if l, ok := g.lookups[e.ID]; ok {
			delete(g.lookups, e.ID)
			g.found(l, e)
		}
		return
	}
	if e.Kind == network.Told {
		g.told(e)
		return
	}
	c := g.conns[e.ID]
	if c == nil {
		return
	}
	switch e.Kind {
	case network.Connected:
		g.listen(c)
	case network.Data:
		c.out = append(c.out, e.Data...)
	case network.Sent:
		c.sending--
	case network.Closed:
		c.closing, c.sending = true, 0 // no acknowledgement follows
	case network.Failed:
		g.failed(c, e.Error)
	}
}

// listen lets the stack take the connection. One listener waits for the third packets of all
// connections to its address.
func (g *Gateway) listen(c *conn) {
	at := c.tuple.at()
	if g.listeners[at] == nil {
		g.take(at.Addr())
		ep, err := g.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &waiter.Queue{})
		must(err)
		ep.SocketOptions().SetReuseAddress(true)
		must(ep.Bind(tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(at.Addr().As4()), Port: at.Port()}))
		must(ep.Listen(maxWaiting))
		g.listeners[at] = ep
	}
	syn := c.syn
	c.syn = nil
	g.inject(syn)
}

// maxWaiting is how many connections to an address the stack accepts at most before they are taken.
const maxWaiting = 16

// take makes an address one of the stack's own.
func (g *Gateway) take(host netip.Addr) {
	if g.known[host] {
		return
	}
	g.known[host] = true
	must(g.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(host.As4()).WithPrefix(),
	}, stack.AddressProperties{}))
}

// failed is the end of a connection on the link: the device is told by a reset, unless
// nobody answers at all.
func (g *Gateway) failed(c *conn, why network.Error) {
	delete(g.conns, c.id)
	switch {
	case c.endpoint != nil:
		c.endpoint.Abort()
	case c.syn == nil: // accept ends it
	case why == network.Refused:
		g.take(c.tuple.host)
		g.inject(c.syn) // nobody listens, so the stack refuses it
	}
	g.settle()
}

// serve moves data between the stack and the link, in both directions.
func (g *Gateway) serve(now time.Duration) {
	g.accept()
	for _, id := range slices.Sorted(maps.Keys(g.conns)) {
		c := g.conns[id]
		if c.endpoint == nil {
			continue
		}
		if gone := g.receive(now, c); gone {
			g.drop(now, c)
			continue
		}
		g.deliver(now, c)
	}
}

// accept takes connections over from their listeners, and closes those that nobody needs any more.
func (g *Gateway) accept() {
	for _, at := range slices.SortedFunc(maps.Keys(g.listeners), netip.AddrPort.Compare) {
		listener := g.listeners[at]
		for {
			var from tcpip.FullAddress
			ep, _, err := listener.Accept(&from)
			if err != nil {
				break
			}
			c := g.waiting(func(t tuple) bool { return t == tuple{from.Port, at.Addr(), at.Port()} })
			if c == nil { // its other side has gone meanwhile
				ep.Abort()
				continue
			}
			c.endpoint = ep
			options := ep.SocketOptions()
			options.SetDelayOption(false)
			options.SetSendBufferSize(sendBuffer, true)
		}
		if g.waiting(func(t tuple) bool { return t.at() == at }) == nil {
			listener.Close()
			delete(g.listeners, at)
		}
	}
}

// waiting returns a connection that waits for the device's third packet, or nil.
func (g *Gateway) waiting(is func(tuple) bool) *conn {
	for _, c := range g.conns {
		if c.syn == nil && c.endpoint == nil && is(c.tuple) {
			return c
		}
	}
	return nil
}

// receive gives the link what the device has sent. It reports whether the connection has
// ended without a close.
func (g *Gateway) receive(now time.Duration, c *conn) (gone bool) {
	for !c.finished && c.sending < maxSending {
		var b bytes.Buffer
		_, err := c.endpoint.Read(&limited{&b, network.Segment}, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
			c.sending++
			g.link.Send(now, c.id, b.Bytes())
			g.settle() // the window may have opened
		case *tcpip.ErrWouldBlock:
			return false
		case *tcpip.ErrClosedForReceive:
			c.finished = true
			g.link.Close(now, c.id)
			c.endpoint.Close()
			delete(g.conns, c.id)
			g.settle()
		default:
			return true
		}
	}
	return false
}

// deliver gives the device what the link has brought, and the end behind it.
func (g *Gateway) deliver(now time.Duration, c *conn) {
	for len(c.out) > 0 {
		n, err := c.endpoint.Write(bytes.NewReader(c.out), tcpip.WriteOptions{})
		if err != nil || n == 0 {
			break
		}
		c.out = c.out[n:]
		g.settle()
	}
	if held := len(c.out) > 0; held != c.held {
		c.held = held
		g.link.Hold(now, c.id, held)
	}
	if c.closing && len(c.out) == 0 && !c.shut {
		c.shut = true
		_ = c.endpoint.Shutdown(tcpip.ShutdownWrite)
		g.settle()
	}
}

// drop ends a connection that the device has reset or forgotten.
func (g *Gateway) drop(now time.Duration, c *conn) {
	delete(g.conns, c.id)
	g.link.Reset(now, c.id)
	if c.endpoint != nil {
		c.endpoint.Close()
	}
	g.settle()
}

// limited is a writer that takes n bytes at most.
type limited struct {
	w io.Writer
	n int
}

func (l *limited) Write(b []byte) (int, error) {
	part := b[:min(len(b), l.n)]
	n, err := l.w.Write(part)
	l.n -= n
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}
