// Package connections limits how many connections a server holds, so that those who do nothing keep
// nobody else out.
package connections

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// reserve is how many open files are for other things than connections: the database, what is
// built, the program's own.
const reserve = 100

// Available is how many connections the process may hold, as far as open files go. Each of them
// counts, and each file that is being sent.
func Available() int { return max(openFiles()-reserve, reserve) }

// openFiles is how many files the process may have open. Go has raised that to what is allowed.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256 // which all systems allow
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// Address is what counts as one address: of IPv6, a host has all of a /64.
func Address(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// Limit limits the connections of HTTP servers, of which it is told by their ConnState.
//
// When there are too many, the connection ends that has waited for a request for the longest time.
// If all are being answered, it is the new one. Loopback has no limit of its own: proxies connect
// from there.
type Limit struct {
	all, each int
	now       func() time.Time

	mu          sync.Mutex
	connections map[net.Conn]*connection
	from        map[netip.Prefix]int
}

type connection struct {
	from    netip.Prefix
	waiting time.Time // since when; zero: a request is being answered
}

// NewLimit returns a limit of so many connections in all, and from each address.
func NewLimit(all, each int) *Limit {
	return &Limit{
		all: all, each: each, now: time.Now,
		connections: map[net.Conn]*connection{}, from: map[netip.Prefix]int{},
	}
}

// State is an [http.Server.ConnState].
func (l *Limit) State(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.connections[c]
	switch state {
	case http.StateNew:
		l.add(c)
	case http.StateIdle:
		if known != nil {
			known.waiting = l.now()
		}
	case http.StateActive:
		if known != nil {
			known.waiting = time.Time{}
		}
	case http.StateClosed, http.StateHijacked:
		l.remove(c)
	}
}

// add counts a connection in, and ends another one or this if there are too many.
func (l *Limit) add(c net.Conn) {
	from := Address(c.RemoteAddr())
	l.connections[c] = &connection{from: from, waiting: l.now()}
	l.from[from]++
	switch {
	case !from.Addr().IsLoopback() && l.from[from] > l.each:
		l.end(func(other *connection) bool { return other.from == from }, c)
	case len(l.connections) > l.all:
		l.end(func(*connection) bool { return true }, c)
	}
}

// end ends the connection that has waited longest among some, and if there is none but it the new
// one.
func (l *Limit) end(among func(*connection) bool, unless net.Conn) {
	longest := unless
	for c, known := range l.connections {
		waits := among(known) && !known.waiting.IsZero()
		if waits && known.waiting.Before(l.connections[longest].waiting) {
			longest = c
		}
	}
	l.remove(longest)
	if secure, ok := longest.(interface{ NetConn() net.Conn }); ok {
		longest = secure.NetConn() // TLS would say good-bye first
	}
	longest.Close()
}

func (l *Limit) remove(c net.Conn) {
	known := l.connections[c]
	if known == nil {
		return
	}
	delete(l.connections, c)
	if l.from[known.from]--; l.from[known.from] == 0 {
		delete(l.from, known.from)
	}
}
