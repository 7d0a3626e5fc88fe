package network

import (
	"net/netip"
	"time"
)

// defaultClock is what the clock of a Memory network shows at its beginning.
var defaultClock = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Clock is the wall clock of the network, which its time servers tell.
func (m *Memory) Clock() time.Time { return m.epoch.Add(m.now) }

// SetClock sets the wall clock, which goes on from there.
func (m *Memory) SetClock(t time.Time) { m.epoch = t.Add(-m.now) }

// AddTimeServer adds a host that answers SNTP.
func (m *Memory) AddTimeServer(name string) *Host {
	h := m.AddHost(name)
	h.TimeServer = true
	return h
}

// Time asks a time server. It is one packet each way, which is lost without a word.
func (l *MemoryLink) Time(now time.Duration, id int, ip [4]byte) {
	i, epoch := l.index, l.epoch
	arrival := l.net.airtime(&l.upFree, now, timePacket) + l.net.Latency
	l.net.later(arrival, func(m *Memory) {
		h := m.Host(netip.AddrFrom4(ip).String())
		if h == nil || !h.TimeServer || h.Down || h.Silent || m.off {
			return
		}
		e := Event{Kind: Told, ID: id, IP: ip, Time: m.Clock()}
		m.later(m.airtime(&m.links[i].dnFree, m.now, timePacket)+m.Latency, func(m *Memory) {
			if l := m.links[i]; l.epoch == epoch && !l.asleep && !m.off {
				l.post(m.now, e)
			}
		})
	})
}

// timePacket is the size of a packet of SNTP, in bytes.
const timePacket = 48

// inPool reports whether a name is the NTP pool's, which stands for this computer's clock: nobody
// is asked, not even for the address.
func inPool(name string) bool {
	const pool = "pool.ntp.org"
	return name == pool || len(name) > len(pool) && name[len(name)-len(pool)-1:] == "."+pool
}

// Time tells this computer's time, whatever the address: no packet leaves it.
func (s *Sockets) Time(_ time.Duration, id int, ip [4]byte) {
	clock := time.Now
	if s.Clock != nil {
		clock = s.Clock
	}
	now := clock()
	if now.IsZero() {
		return
	}
	s.mu.Lock()
	epoch := s.epoch
	s.mu.Unlock()
	s.post(epoch, Event{Kind: Told, ID: id, IP: ip, Time: now})
}
