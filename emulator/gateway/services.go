package gateway

import (
	"encoding/binary"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"esper/emulator/network"
)

// The ports of the services.
const (
	dnsPort        = 53
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// DHCP (RFC 2131, RFC 2132): the fixed part is 236 bytes and four of a magic number.
const (
	dhcpFixed   = 240
	dhcpMagic   = 0x63825363
	dhcpRequest = 1 // op
	dhcpReply   = 2

	optionMask   = 1
	optionRouter = 3
	optionDNS    = 6
	optionLease  = 51
	optionType   = 53
	optionServer = 54
	optionEnd    = 255

	dhcpDiscover = 1 // optionType
	dhcpOffer    = 2
	dhcpWant     = 3
	dhcpAck      = 5
)

// lease is how long an address is the device's.
const lease = 24 * time.Hour

// dhcp gives the device the address that the link has for it.
func (g *Gateway) dhcp(message []byte) {
	if len(message) < dhcpFixed || message[0] != dhcpRequest ||
		binary.BigEndian.Uint32(message[dhcpFixed-4:]) != dhcpMagic {
		return
	}
	var answer byte
	switch kind := option(message[dhcpFixed:], optionType); {
	case len(kind) == 1 && kind[0] == dhcpDiscover:
		answer = dhcpOffer
	case len(kind) == 1 && kind[0] == dhcpWant:
		answer = dhcpAck
	default:
		return
	}
	ip, mask, gateway := g.link.Address()
	reply := make([]byte, dhcpFixed)
	copy(reply, message[:44]) // to the end of the client's hardware address
	reply[0] = dhcpReply
	copy(reply[16:], ip[:])
	copy(reply[20:], gateway[:])
	binary.BigEndian.PutUint32(reply[dhcpFixed-4:], dhcpMagic)
	reply = append(reply, optionType, 1, answer)
	reply = append(append(reply, optionServer, 4), gateway[:]...)
	reply = append(reply, optionLease, 4)
	reply = binary.BigEndian.AppendUint32(reply, uint32(lease/time.Second))
	reply = append(append(reply, optionMask, 4), mask[:]...)
	reply = append(append(reply, optionRouter, 4), gateway[:]...)
	reply = append(append(reply, optionDNS, 4), gateway[:]...)
	reply = append(reply, optionEnd)
	g.answer(tcpip.AddrFrom4(gateway), tcpip.AddrFrom4(ip), dhcpServerPort, dhcpClientPort, reply)
}

// option finds an option of a DHCP message; nil: it is not there.
func option(options []byte, want byte) []byte {
	for len(options) >= 2 && options[0] != optionEnd {
		if options[0] == 0 { // padding
			options = options[1:]
			continue
		}
		n := int(options[1])
		if len(options) < 2+n {
			return nil
		}
		if options[0] == want {
			return options[2 : 2+n]
		}
		options = options[2+n:]
	}
	return nil
}

// lookup is a question that the link has not answered yet.
type lookup struct {
	id           uint16
	question     dnsmessage.Question
	server, from tcpip.Address
	port         uint16
}

// resolve asks the link for an address.
func (g *Gateway) resolve(now time.Duration, h header.IPv4, u header.UDP) {
	var p dnsmessage.Parser
	head, err := p.Start(u.Payload())
	if err != nil || head.Response {
		return
	}
	question, err := p.Question()
	if err != nil {
		return
	}
	l := lookup{head.ID, question, h.DestinationAddress(), h.SourceAddress(), u.SourcePort()}
	if question.Type != dnsmessage.TypeA || question.Class != dnsmessage.ClassINET {
		g.found(l, network.Event{Error: network.NotFound})
		return
	}
	g.lastID++
	g.lookups[g.lastID] = l
	name := question.Name.String()
	g.link.Resolve(now, g.lastID, name[:len(name)-1])
}

// found answers a question.
func (g *Gateway) found(l lookup, e network.Event) {
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: l.id, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{l.question},
	}
	if e.Error == network.None {
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: l.question.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: e.IP},
		}}
	} else {
		message.Header.RCode = dnsmessage.RCodeNameError
	}
	if b, err := message.Pack(); err == nil {
		g.answer(l.server, l.from, dnsPort, l.port, b)
	}
}

func checksumOf(data []byte, initial uint16) uint16 { return checksum.Checksum(data, initial) }
