package gateway

import (
	"encoding/binary"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"esper/emulator/network"
)

// NTP (RFC 5905, of which SNTP, RFC 4330, is a part): packets of 48 bytes and more. The first byte
// is a warning of leap seconds (2 bits), version (3) and mode (3).
const (
	ntpPort   = 123
	ntpSize   = 48
	ntpClient = 3 // modes
	ntpServer = 4

	ntpStratum   = 1
	ntpPrecision = -20        // 2^-20 s
	ntpEpoch     = 2208988800 // 1970 in seconds since 1900

	ntpReference = 16 // the clock was set
	ntpOriginate = 24 // the client's transmit time stamp
	ntpReceive   = 32
	ntpTransmit  = 40
)

// maxQuestions is how many may wait for their answers.
const maxQuestions = 16

// question is one for the time, that the link has not answered yet.
type question struct {
	packet       [ntpSize]byte
	server, from tcpip.Address
	port         uint16
}

// ntp asks the link for the time.
func (g *Gateway) ntp(now time.Duration, h header.IPv4, u header.UDP) {
	payload := u.Payload()
	if len(payload) < ntpSize || payload[0]&7 != ntpClient {
		return
	}
	if len(g.questions) == maxQuestions { // without answers
		clear(g.questions)
	}
	g.lastID++
	g.questions[g.lastID] = question{
		[ntpSize]byte(payload), h.DestinationAddress(), h.SourceAddress(), u.SourcePort(),
	}
	g.link.Time(now, g.lastID, h.DestinationAddress().As4())
}

// told answers a question for the time.
func (g *Gateway) told(e network.Event) {
	q, ok := g.questions[e.ID]
	if !ok {
		return
	}
	delete(g.questions, e.ID)
	reply := make([]byte, ntpSize)
	reply[0] = q.packet[0]&0x38 | ntpServer // of the same version
	reply[1] = ntpStratum
	reply[2] = q.packet[2] // poll
	precision := int8(ntpPrecision)
	reply[3] = byte(precision)
	copy(reply[12:], "LOCL")
	copy(reply[ntpOriginate:], q.packet[ntpTransmit:])
	for _, at := range []int{ntpReference, ntpReceive, ntpTransmit} {
		binary.BigEndian.PutUint32(reply[at:], uint32(e.Time.Unix()+ntpEpoch))
		binary.BigEndian.PutUint32(reply[at+4:], uint32(uint64(e.Time.Nanosecond())<<32/1e9))
	}
	g.answer(q.server, q.from, ntpPort, q.port, reply)
}
