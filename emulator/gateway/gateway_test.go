package gateway

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"esper/emulator/network"
)

var stationMAC = [6]byte{0x5C, 0xCF, 0x7F, 1, 2, 3}

// station is a device with a TCP/IP of its own, on the air of a gateway.
type station struct {
	t       *testing.T
	gateway *Gateway
	net     *network.Memory
	now     time.Duration
	clock   *clock
	stack   *stack.Stack
	nic     *channel.Endpoint
	frames  [][]byte // that came
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{t: t, net: network.NewMemory(), clock: &clock{}}
	s.net.AddHost("echo").Listen(7, &echo{})
	s.gateway = New(s.net.Link())
	s.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		Clock:              s.clock,
	})
	s.nic = channel.New(queueLength, MTU+header.EthernetMinimumSize, tcpip.LinkAddress(stationMAC[:]))
	must(s.stack.CreateNIC(nicID, ethernet.New(s.nic)))
	must(s.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddrFrom4([4]byte{10, 0, 0, 100}).WithPrefix(),
	}, stack.AddressProperties{}))
	s.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}})
	t.Cleanup(func() { s.gateway.Close(); s.stack.Destroy() })
	return s
}

// settle carries frames both ways until there are none.
func (s *station) settle() {
	for {
		s.stack.Pause()
		s.stack.Resume()
		moved := false
		for pkt := s.nic.Read(); pkt != nil; pkt = s.nic.Read() {
			v := pkt.ToView()
			s.gateway.Frame(s.now, bytes.Clone(v.AsSlice()))
			pkt.DecRef()
			moved = true
		}
		if frame, ok := s.gateway.Poll(s.now); ok {
			s.frames = append(s.frames, frame)
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
			s.nic.InjectInbound(0, pkt)
			pkt.DecRef()
			moved = true
		}
		if !moved {
			return
		}
	}
}

// run lets the time pass until the condition holds.
func (s *station) run(what string, condition func() bool) {
	s.t.Helper()
	for end := s.now + time.Minute; !condition(); s.now += time.Millisecond {
		if s.now > end {
			s.t.Fatalf("not within a minute: %s", what)
		}
		s.clock.advance(s.now, s.settle)
		s.settle()
	}
}

// connect begins a connection.
func (s *station) connect(host string, port uint16) tcpip.Endpoint {
	s.t.Helper()
	ep, err := s.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &waiter.Queue{})
	must(err)
	at := tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(netip.MustParseAddr(host).As4()), Port: port}
	if _, started := ep.Connect(at).(*tcpip.ErrConnectStarted); !started {
		s.t.Fatal("the connection does not start")
	}
	return ep
}

// state waits until a connection is established, or ends.
func (s *station) state(ep tcpip.Endpoint) tcp.EndpointState {
	s.t.Helper()
	s.run("an answer", func() bool {
		return tcp.EndpointState(ep.State()) != tcp.StateSynSent && tcp.EndpointState(ep.State()) != tcp.StateConnecting
	})
	return tcp.EndpointState(ep.State())
}

// echo sends back what it gets, and closes behind a full stop.
type echo struct{ closed int }

func (e *echo) Accept(network.Conn) {}
func (e *echo) Receive(c network.Conn, data []byte) {
	c.Send(data)
	if bytes.HasSuffix(data, []byte(".")) {
		c.Close()
	}
}
func (e *echo) Closed(network.Conn)                { e.closed++ }
func (e *echo) Wake(time.Duration)                 {}
func (e *echo) Next() (time.Duration, bool)        { return 0, false }
func (e *echo) Clone(*network.Memory) network.Peer { return e }

func (s *station) echo() *echo { return s.net.Host("echo").Peer(7).(*echo) }

// all reads until the other side closes.
func (s *station) all(ep tcpip.Endpoint) string {
	s.t.Helper()
	var b bytes.Buffer
	s.run("the end", func() bool {
		_, err := ep.Read(&b, tcpip.ReadOptions{})
		_, ended := err.(*tcpip.ErrClosedForReceive)
		return ended
	})
	return b.String()
}

func TestDataGoBothWays(t *testing.T) {
	s := newStation(t)
	ep := s.connect("10.0.0.10", 7)
	if state := s.state(ep); state != tcp.StateEstablished {
		t.Fatalf("the connection is %v", state)
	}
	text := strings.Repeat("0123456789", 3000) + "."
	for rest := text; rest != ""; {
		n, err := ep.Write(strings.NewReader(rest), tcpip.WriteOptions{})
		if _, full := err.(*tcpip.ErrWouldBlock); err != nil && !full {
			t.Fatal(err)
		}
		rest = rest[n:]
		s.run("some room", func() bool { s.now += time.Millisecond; s.settle(); return ep.Readiness(waiter.WritableEvents) != 0 })
	}
	if got := s.all(ep); got != text {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
	ep.Close()
	s.run("an end on the host", func() bool { return len(s.gateway.conns) == 0 })
}

func TestTheHostLearnsOfAClose(t *testing.T) {
	s := newStation(t)
	ep := s.connect("10.0.0.10", 7)
	s.state(ep)
	ep.Close()
	s.run("a close", func() bool { return s.echo().closed == 1 })
}

func TestAPortWhereNobodyListensRefuses(t *testing.T) {
	s := newStation(t)
	if state := s.state(s.connect("10.0.0.10", 8)); state != tcp.StateError {
		t.Errorf("the connection is %v", state)
	}
	if n := len(s.gateway.conns); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestTheDeviceLearnsOfAReset(t *testing.T) {
	s := newStation(t)
	ep := s.connect("10.0.0.10", 7)
	s.state(ep)
	s.net.SetDown(s.net.Host("echo"), true)
	s.run("a reset", func() bool { return tcp.EndpointState(ep.State()) == tcp.StateError })
}

func TestADeviceThatStartsAnewHasNoConnections(t *testing.T) {
	s := newStation(t)
	s.state(s.connect("10.0.0.10", 7))
	s.gateway.Restart(s.now)
	if n := len(s.gateway.conns); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	if state := s.state(s.connect("10.0.0.10", 7)); state != tcp.StateEstablished {
		t.Errorf("a new connection is %v", state)
	}
}

// datagram sends one from the device and returns what comes of it.
func (s *station) datagram(to [4]byte, from, port uint16, data []byte) []byte {
	s.t.Helper()
	g := New(s.net.Link()) // to make the packet as it does
	defer g.Close()
	g.answer(tcpip.AddrFrom4([4]byte{10, 0, 0, 100}), tcpip.AddrFrom4(to), from, port, data)
	frame := g.out[0]
	copy(frame[6:], stationMAC[:])
	s.gateway.Frame(s.now, frame)
	var ip header.IPv4
	s.frames = nil
	s.run("an answer", func() bool {
		for _, frame := range s.frames { // between ARP and ICMP of the station's
			if ip = frame[header.EthernetMinimumSize:]; ip.TransportProtocol() == header.UDPProtocolNumber {
				return header.Ethernet(frame).Type() == header.IPv4ProtocolNumber
			}
		}
		return false
	})
	if !ip.IsValid(len(ip)) || !ip.IsChecksumValid() {
		s.t.Fatal("the answer is not a valid IP packet")
	}
	u := header.UDP(ip.Payload())
	payload := u.Payload()
	if !u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksumOf(payload, 0)) || u.DestinationPort() != from {
		s.t.Fatal("the answer's checksum or port is wrong")
	}
	return payload
}

func TestTheDeviceGetsAnAddress(t *testing.T) {
	s := newStation(t)
	for kind, want := range map[byte]byte{dhcpDiscover: dhcpOffer, dhcpWant: dhcpAck} {
		message := make([]byte, dhcpFixed)
		message[0] = dhcpRequest
		copy(message[28:], stationMAC[:])
		binary.BigEndian.PutUint32(message[4:], 0xCAFE)
		binary.BigEndian.PutUint32(message[dhcpFixed-4:], dhcpMagic)
		message = append(message, 0, optionType, 1, kind, optionEnd)
		reply := s.datagram([4]byte{255, 255, 255, 255}, dhcpClientPort, dhcpServerPort, message)
		if got := option(reply[dhcpFixed:], optionType); !bytes.Equal(got, []byte{want}) {
			t.Errorf("the answer to %d is %v", kind, got)
		}
		if !bytes.Equal(reply[16:20], []byte{10, 0, 0, 100}) || binary.BigEndian.Uint32(reply[4:]) != 0xCAFE {
			t.Errorf("the answer to %d begins % x", kind, reply[:20])
		}
	}
}

func TestNamesAreResolved(t *testing.T) {
	s := newStation(t)
	for name, want := range map[string]*dnsmessage.AResource{"echo.": {A: [4]byte{10, 0, 0, 10}}, "nobody.": nil} {
		question := dnsmessage.Message{
			Header: dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{
				Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
			}},
		}
		packed, err := question.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var answer dnsmessage.Message
		if err := answer.Unpack(s.datagram([4]byte{10, 0, 0, 1}, 1234, dnsPort, packed)); err != nil {
			t.Fatal(err)
		}
		switch {
		case want == nil && (answer.RCode != dnsmessage.RCodeNameError || len(answer.Answers) != 0):
			t.Errorf("%s: %+v", name, answer)
		case want != nil && (len(answer.Answers) != 1 || answer.Answers[0].Body.(*dnsmessage.AResource).A != want.A):
			t.Errorf("%s: %+v", name, answer)
		}
	}
}

func TestTheGatewayAnswersForEveryAddressButTheDevices(t *testing.T) {
	s := newStation(t)
	for target, answered := range map[byte]bool{10: true, 1: true, 77: true, 100: false} {
		frame := make([]byte, header.EthernetMinimumSize+header.ARPSize)
		header.Ethernet(frame).Encode(&header.EthernetFields{
			SrcAddr: tcpip.LinkAddress(stationMAC[:]), DstAddr: header.EthernetBroadcastAddress,
			Type: header.ARPProtocolNumber,
		})
		a := header.ARP(frame[header.EthernetMinimumSize:])
		a.SetIPv4OverEthernet()
		a.SetOp(header.ARPRequest)
		copy(a.HardwareAddressSender(), stationMAC[:])
		copy(a.ProtocolAddressTarget(), []byte{10, 0, 0, target})
		s.gateway.Frame(s.now, frame)
		reply, ok := s.gateway.Poll(s.now)
		if ok != answered {
			t.Errorf("10.0.0.%d: an answer %v, want %v", target, ok, answered)
		}
		if ok && !bytes.Equal(header.ARP(reply[header.EthernetMinimumSize:]).HardwareAddressSender(), MAC[:]) {
			t.Errorf("10.0.0.%d: % x", target, reply)
		}
	}
}

func TestNonsenseIsDropped(t *testing.T) {
	s := newStation(t)
	frame := make([]byte, 60)
	for _, kind := range []tcpip.NetworkProtocolNumber{header.ARPProtocolNumber, header.IPv4ProtocolNumber, 0x888E} {
		for n := range len(frame) {
			f := bytes.Clone(frame[:n])
			if n >= header.EthernetMinimumSize {
				header.Ethernet(f).Encode(&header.EthernetFields{Type: kind})
			}
			s.gateway.Frame(s.now, f)
		}
	}
	if frame, ok := s.gateway.Poll(s.now); ok {
		t.Errorf("an answer: % x", frame)
	}
}

// A device may begin a connection again before the one before it is established. This computer's own
// addresses are hosts like all others.
func TestConnectionsToAnAddressAreEstablishedSideBySide(t *testing.T) {
	s := newStation(t)
	self := s.net.AddHost("self")
	self.IP = [4]byte{127, 0, 0, 1}
	self.Listen(7, &echo{})
	s.gateway.station = stationMAC
	for _, host := range []string{"10.0.0.10", "127.0.0.1"} {
		answered := map[uint16]bool{}
		for port := uint16(2000); port < 2003; port++ {
			s.gateway.Frame(s.now, synFrame(host, port))
			s.run("an answer", func() bool {
				frame, ok := s.gateway.Poll(s.now)
				if !ok {
					return false
				}
				h := header.TCP(frame[header.EthernetMinimumSize+header.IPv4MinimumSize:])
				answered[h.DestinationPort()] = h.Flags() == header.TCPFlagSyn|header.TCPFlagAck
				return answered[port]
			})
		}
	}
	if len(s.gateway.listeners) != 2 {
		t.Errorf("%d listeners for two addresses", len(s.gateway.listeners))
	}
}

// synFrame is the first frame of a connection to port 7 of a host.
func synFrame(host string, port uint16) []byte {
	const size = header.IPv4MinimumSize + header.TCPMinimumSize
	from, to := tcpip.AddrFrom4([4]byte{10, 0, 0, 100}), tcpip.AddrFrom4(netip.MustParseAddr(host).As4())
	frame := make([]byte, header.EthernetMinimumSize+size)
	header.Ethernet(frame).Encode(&header.EthernetFields{SrcAddr: tcpip.LinkAddress(stationMAC[:]), DstAddr: tcpip.LinkAddress(MAC[:]), Type: header.IPv4ProtocolNumber})
	ip := header.IPv4(frame[header.EthernetMinimumSize:])
	ip.Encode(&header.IPv4Fields{TotalLength: size, TTL: 64, Protocol: uint8(tcp.ProtocolNumber), SrcAddr: from, DstAddr: to})
	ip.SetChecksum(^ip.CalculateChecksum())
	segment := header.TCP(ip.Payload())
	segment.Encode(&header.TCPFields{SrcPort: port, DstPort: 7, SeqNum: 1, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 5840})
	segment.SetChecksum(^segment.CalculateChecksum(header.PseudoHeaderChecksum(tcp.ProtocolNumber, from, to, header.TCPMinimumSize)))
	return frame
}
