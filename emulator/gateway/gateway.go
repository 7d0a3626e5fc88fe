// Package gateway is the access point of a device whose own TCP/IP runs: frames of Ethernet on one
// side, a network.Link on the other. It gives out an address by DHCP, answers ARP for every other
// one, looks up names, tells the time by NTP, and ends the device's TCP connections in a stack of
// its own, which is gVisor's.
//
// Time is what each call says, and the same calls lead to the same frames.
package gateway

import (
	"math/rand"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"esper/emulator/network"
)

// MTU is the longest IP packet, in bytes.
const MTU = 1500

// MAC is the gateway's address.
var MAC = [6]byte{0x02, 0, 0, 0, 0, 0x01}

// nicID is the one interface of the stack.
const nicID = 1

// Gateway is one device's way to a Link. It is for one goroutine.
type Gateway struct {
	link  network.Link
	clock *clock
	stack *stack.Stack
	nic   *channel.Endpoint

	station [6]byte  // the device's MAC address
	out     [][]byte // frames to the device
	taken   int      // frames that it took before them
	began   time.Duration
	history []input // what happened since then, if it is kept
	keeps   bool
	firstID int // of a connection or a question, before the first since then
	lastID  int
	conns   map[int]*conn // by the Link's id

	listeners map[netip.AddrPort]tcpip.Endpoint // where connections wait for the device's third packet

	lookups   map[int]lookup
	questions map[int]question
	known     map[netip.Addr]bool // addresses that the stack has taken
}

// New makes a gateway to a link.
func New(link network.Link) *Gateway {
	// On a link that wakes there is real time, in which nothing is repeated.
	g := &Gateway{link: link, keeps: link.Wake() == nil}
	g.start(0)
	return g
}

// start begins with nothing known.
func (g *Gateway) start(now time.Duration) {
	if g.stack != nil {
		g.stack.Destroy()
	}
	g.clock = &clock{now: now}
	g.began, g.history, g.taken, g.firstID = now, nil, 0, g.lastID
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocolWithOptions(options)},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		Clock:              g.clock,
		RandSource:         &source{src: rand.NewSource(1)},
		SecureRNG:          rand.New(&source{src: rand.NewSource(2)}),
	})
	g.nic = channel.New(queueLength, MTU, "")
	must(g.stack.CreateNIC(nicID, g.nic))
	g.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}})
	g.out, g.conns, g.lookups, g.known = nil, map[int]*conn{}, map[int]lookup{}, map[netip.Addr]bool{}
	g.questions = map[int]question{}
	g.listeners = map[netip.AddrPort]tcpip.Endpoint{}
}

// options let servers on this computer be reached at 127.0.0.1.
var options = ipv4.Options{AllowExternalLoopbackTraffic: true}

// source gives the stack numbers that can be repeated.
type source struct {
	mu  sync.Mutex
	src rand.Source
}

// Int63 implements rand.Source.
func (s *source) Int63() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Int63()
}

// Seed implements rand.Source.
func (s *source) Seed(int64) {}

// queueLength is how many packets the stack makes at most before they are taken.
const queueLength = 256

// must is for what can only fail by a mistake here.
func must(err tcpip.Error) {
	if err != nil {
		panic("gateway: " + err.String())
	}
}

// Admits reports whether an access point of that network, with that password, is there.
func (g *Gateway) Admits(ssid, password string) bool { return g.link.Admits(ssid, password) }

// Restart forgets the device's connections, as when it starts or leaves.
func (g *Gateway) Restart(now time.Duration) {
	g.link.Restart(now)
	g.start(now)
}

// Close ends the gateway's work.
func (g *Gateway) Close() { g.stack.Destroy() }

// settle waits until the stack has done what it was given, and takes what it sends.
func (g *Gateway) settle() {
	g.stack.Pause() // returns when the queues are empty
	g.stack.Resume()
	for pkt := g.nic.Read(); pkt != nil; pkt = g.nic.Read() {
		b := pkt.ToView()
		g.send(header.IPv4ProtocolNumber, b.AsSlice())
		b.Release()
		pkt.DecRef()
	}
}

// send queues a frame to the device.
func (g *Gateway) send(protocol tcpip.NetworkProtocolNumber, payload []byte) {
	frame := make(header.Ethernet, header.EthernetMinimumSize, header.EthernetMinimumSize+len(payload))
	frame.Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(MAC[:]), DstAddr: tcpip.LinkAddress(g.station[:]), Type: protocol,
	})
	g.out = append(g.out, append(frame, payload...))
}

// inject gives the stack an IP packet.
func (g *Gateway) inject(packet []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	g.nic.InjectInbound(header.IPv4ProtocolNumber, pkt)
	pkt.DecRef()
	g.settle()
}

// Frame takes a frame that the device sends.
func (g *Gateway) Frame(now time.Duration, frame []byte) {
	g.keep(input{at: now, frame: frame})
	g.advance(now)
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	f := header.Ethernet(frame)
	copy(g.station[:], f.SourceAddress())
	switch payload := frame[header.EthernetMinimumSize:]; f.Type() {
	case header.ARPProtocolNumber:
		g.arp(payload)
	case header.IPv4ProtocolNumber:
		g.ip(now, payload)
	}
	g.serve(now)
}

// Poll returns the next frame to the device.
func (g *Gateway) Poll(now time.Duration) ([]byte, bool) {
	fired := g.advance(now)
	var events []network.Event
	for e, ok := g.link.Poll(now); ok; e, ok = g.link.Poll(now) {
		events = append(events, e)
		g.event(e)
	}
	if fired || len(events) > 0 {
		g.keep(input{at: now, events: events})
	}
	g.serve(now)
	if len(g.out) == 0 {
		return nil, false
	}
	frame := g.out[0]
	g.out = g.out[1:]
	g.taken++
	return frame, true
}

// Next is the time before which there will be no frame, if that is known.
func (g *Gateway) Next() (time.Duration, bool) {
	if len(g.out) > 0 {
		return 0, true
	}
	next, any := g.clock.next()
	if t, ok := g.link.Next(); ok && (!any || t < next) {
		next, any = t, true
	}
	return next, any
}

// Wake is signalled when there may be a frame; nil if Next tells all.
func (g *Gateway) Wake() <-chan struct{} { return g.link.Wake() }

// advance lets the time pass, and reports whether the stack did something by itself.
func (g *Gateway) advance(now time.Duration) bool { return g.clock.advance(now, g.settle) }

// arp answers for every address but the device's own.
func (g *Gateway) arp(payload []byte) {
	a := header.ARP(payload)
	if !a.IsValid() || a.Op() != header.ARPRequest {
		return
	}
	ip, _, _ := g.link.Address()
	if [4]byte(a.ProtocolAddressTarget()) == ip {
		return
	}
	reply := make(header.ARP, header.ARPSize)
	reply.SetIPv4OverEthernet()
	reply.SetOp(header.ARPReply)
	copy(reply.HardwareAddressSender(), MAC[:])
	copy(reply.ProtocolAddressSender(), a.ProtocolAddressTarget())
	copy(reply.HardwareAddressTarget(), a.HardwareAddressSender())
	copy(reply.ProtocolAddressTarget(), a.ProtocolAddressSender())
	g.send(header.ARPProtocolNumber, reply)
}

// ip takes an IP packet of the device's.
func (g *Gateway) ip(now time.Duration, packet []byte) {
	h := header.IPv4(packet)
	if !h.IsValid(len(packet)) {
		return
	}
	packet = packet[:h.TotalLength()] // without the frame's padding
	switch payload := h.Payload(); h.TransportProtocol() {
	case header.UDPProtocolNumber:
		if len(payload) >= header.UDPMinimumSize {
			g.udp(now, h, header.UDP(payload))
		}
	case header.TCPProtocolNumber:
		if len(payload) >= header.TCPMinimumSize {
			g.tcp(now, h, header.TCP(payload), packet)
		}
	default:
		g.inject(packet)
	}
}

// udp serves the protocols that the gateway itself knows.
func (g *Gateway) udp(now time.Duration, h header.IPv4, u header.UDP) {
	switch u.DestinationPort() {
	case dhcpServerPort:
		g.dhcp(u.Payload())
	case dnsPort:
		g.resolve(now, h, u)
	case ntpPort:
		g.ntp(now, h, u)
	}
}

// answer sends a datagram to the device.
func (g *Gateway) answer(from, to tcpip.Address, fromPort, toPort uint16, data []byte) {
	packet := make(header.IPv4, header.IPv4MinimumSize+header.UDPMinimumSize+len(data))
	packet.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(packet)), TTL: 64, Protocol: uint8(header.UDPProtocolNumber),
		SrcAddr: from, DstAddr: to,
	})
	packet.SetChecksum(^packet.CalculateChecksum())
	u := header.UDP(packet[header.IPv4MinimumSize:])
	u.Encode(&header.UDPFields{SrcPort: fromPort, DstPort: toPort, Length: uint16(len(u))})
	copy(u.Payload(), data)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, from, to, uint16(len(u)))
	u.SetChecksum(^u.CalculateChecksum(checksumOf(data, sum)))
	g.send(header.IPv4ProtocolNumber, packet)
}
