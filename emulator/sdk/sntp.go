package sdk

import (
	"net/netip"

	"esper/emulator/esp8266"
	"esper/emulator/network"
)

// sntp is the SDK's client of time servers.
type sntp struct {
	servers [maxServers]uint32 // addresses of their names, which the program keeps; 0: none
	server  int                // that is asked
	zone    int8               // hours that are added to the time

	on    bool
	id    int    // of the question under way; 0: there is none
	next  uint64 // cycle at which it is asked, or asked again
	delay uint64 // until it is asked again without an answer

	told uint32 // the time, in seconds since 1970, and the zone
	at   uint64 // cycle at which it was told; 0: it is not known
}

// What lwIP waits for an answer, from a question without one to the next at first and at most, and
// from an answer to the next question.
const (
	maxServers    = 3
	sntpTimeout   = 3000 * cyclesPerMillisecond
	sntpRetry     = 3000 * cyclesPerMillisecond
	sntpMaxRetry  = 10 * sntpRetry
	sntpPeriod    = 3600 * esp8266.CyclesPerSecond
	sntpZone      = 8 // until the program says another
	secondsOfHour = 3600
)

// setServerName is sntp_setservername(index, name).
func (s *SDK) setServerName() uint32 {
	if i := s.Chip.Arg(0) & 0xFF; i < maxServers {
		s.sntp.servers[i] = s.Chip.Arg(1)
	}
	return 0
}

// setTimezone is sntp_set_timezone(hours). It counts from the next answer on.
func (s *SDK) setTimezone() uint32 {
	s.sntp.zone = int8(s.Chip.Arg(0))
	return 1
}

// startSNTP is sntp_init().
func (s *SDK) startSNTP() uint32 {
	if n := &s.sntp; !n.on {
		n.on, n.id, n.next, n.delay = true, 0, s.Chip.CPU.Cycles, sntpRetry
	}
	return 0
}

// stopSNTP is sntp_stop(), which forgets the time.
func (s *SDK) stopSNTP() uint32 {
	s.sntp = sntp{servers: s.sntp.servers, zone: s.sntp.zone}
	return 0
}

// timestamp is sntp_get_current_timestamp().
func (s *SDK) timestamp() uint32 {
	n := &s.sntp
	if n.at == 0 {
		s.print("please start sntp first !\n")
		return 0
	}
	return n.told + uint32((s.Chip.CPU.Cycles-n.at)/esp8266.CyclesPerSecond)
}

func (n *sntp) due() uint64 {
	if !n.on {
		return never
	}
	return n.next
}

// sntpStep asks for the time when that is due.
func (s *SDK) sntpStep() {
	n := &s.sntp
	switch now := s.Chip.CPU.Cycles; {
	case now < n.due():
	case n.id != 0 || s.wifi.phase != gotIP || n.servers[n.server] == 0:
		s.sntpFailed()
	default:
		s.lastID++
		n.id, n.next = s.lastID, now+sntpTimeout
		name := s.text(n.servers[n.server])
		if ip, err := netip.ParseAddr(name); err == nil && ip.Is4() {
			s.Link.Time(s.Now(), n.id, ip.As4())
		} else {
			s.Link.Resolve(s.Now(), n.id, name)
		}
	}
}

// sntpFailed turns to the next server, after a while.
func (s *SDK) sntpFailed() {
	n := &s.sntp
	n.id, n.next = 0, s.Chip.CPU.Cycles+n.delay
	n.delay = min(2*n.delay, sntpMaxRetry)
	for i := range maxServers {
		if next := (n.server + 1 + i) % maxServers; n.servers[next] != 0 {
			n.server = next
			return
		}
	}
}

// sntpHappened takes an answer, and reports whether it was one to this client.
func (s *SDK) sntpHappened(e network.Event) bool {
	n := &s.sntp
	if n.id == 0 || e.ID != n.id {
		return false
	}
	now := s.Chip.CPU.Cycles
	switch {
	case e.Kind == network.Told:
		n.told, n.at = uint32(e.Time.Unix()+int64(n.zone)*secondsOfHour), now
		n.id, n.next, n.delay = 0, now+sntpPeriod, sntpRetry
	case e.Error != network.None:
		s.sntpFailed()
	default:
		s.Link.Time(s.Now(), n.id, e.IP)
	}
	return true
}
