package gateway

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"esper/emulator/network"
)

// ntpQuestion is a client's packet of some version, with a transmit time stamp.
func ntpQuestion(version byte) []byte {
	q := make([]byte, ntpSize)
	q[0], q[2] = version<<3|ntpClient, 6
	copy(q[ntpTransmit:], "\x01\x02\x03\x04\x05\x06\x07\x08")
	return q
}

func TestTheTimeIsTold(t *testing.T) {
	s := newStation(t)
	s.net.AddTimeServer("ntp")
	for _, want := range []time.Time{
		time.Date(2031, time.May, 4, 3, 2, 1, 500_000_000, time.UTC),
		time.Date(2025, time.May, 4, 3, 2, 1, 0, time.UTC),     // it has been set back
		time.Date(2040, time.January, 1, 0, 0, 0, 0, time.UTC), // the second era
	} {
		for version := byte(3); version <= 4; version++ {
			s.net.SetClock(want)
			reply := s.datagram([4]byte{10, 0, 0, 11}, 1234, ntpPort, ntpQuestion(version))
			if len(reply) != ntpSize || reply[0] != version<<3|ntpServer || reply[1] != ntpStratum {
				t.Fatalf("the answer is % x", reply)
			}
			if !bytes.Equal(reply[ntpOriginate:ntpOriginate+8], ntpQuestion(version)[ntpTransmit:]) {
				t.Errorf("it does not say what was asked: % x", reply)
			}
			for _, at := range []int{ntpReceive, ntpTransmit} {
				seconds := binary.BigEndian.Uint32(reply[at:]) - uint32(ntpEpoch) // modulo 2^32
				fraction := uint64(binary.BigEndian.Uint32(reply[at+4:])) * 1e9 >> 32
				got := time.Unix(int64(seconds), int64(fraction))
				if off := got.Sub(want); off < 0 || off > 20*time.Millisecond {
					t.Errorf("it is %v, which is told as %v", want, got.UTC())
				}
			}
		}
	}
}

func TestOnlyATimeServerTellsTheTime(t *testing.T) {
	for name, c := range map[string]struct {
		to     byte
		packet []byte
		change func(*network.Host)
	}{
		"another host": {10, ntpQuestion(4), nil},
		"nobody":       {99, ntpQuestion(4), nil},
		"silent":       {11, ntpQuestion(4), func(h *network.Host) { h.Silent = true }},
		"too short":    {11, ntpQuestion(4)[:47], nil},
		"an answer":    {11, append([]byte{4<<3 | ntpServer}, ntpQuestion(4)[1:]...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			h := s.net.AddTimeServer("ntp")
			if c.change != nil {
				c.change(h)
			}
			g := s.gateway
			for range 3 * maxQuestions {
				s.ask(c.to, c.packet)
			}
			for s.now += time.Second; ; {
				if _, ok := g.Poll(s.now); !ok {
					break
				}
				t.Fatal("there is an answer")
			}
			if len(g.questions) > maxQuestions {
				t.Errorf("%d questions wait", len(g.questions))
			}
		})
	}
}

// ask sends a packet to port 123 of 10.0.0.to.
func (s *station) ask(to byte, packet []byte) {
	g := New(s.net.Link()) // to make the packet as it does
	defer g.Close()
	g.answer(tcpip.AddrFrom4([4]byte{10, 0, 0, 100}), tcpip.AddrFrom4([4]byte{10, 0, 0, to}), 1234, ntpPort, packet)
	frame := g.out[0]
	copy(frame[6:], stationMAC[:])
	s.gateway.Frame(s.now, frame)
}
