package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Sockets is a Link to this computer's network. Its methods are for one
// goroutine; the waiting is done in others.
type Sockets struct {
	// Clock is what time servers tell; nil: the computer's clock. The zero time is that of a server
	// that does not answer. It is set before the link is used.
	Clock func() time.Time

	wake chan struct{}

	mu     sync.Mutex
	events []Event // look-ups and connections; data waits in its socket
	socks  map[int]*socket
	epoch  int // counts restarts, so that answers to older questions are dropped
	asleep bool
}

type socket struct {
	conn   net.Conn // nil while connecting
	cancel context.CancelFunc
	room   *sync.Cond // waits for room in "in", and for work in "out"
	in     [][]byte
	ended  *Event // what comes after "in": Closed or Failed
	out    [][]byte
	broken bool // "out" cannot be written any more
	held   bool
	taken  int  // segments since it is held
	closed bool // by the device
}

// NewSockets makes a link without connections.
func NewSockets() *Sockets {
	return &Sockets{wake: make(chan struct{}, 1), socks: map[int]*socket{}}
}

// Address is one of a network behind this computer.
func (s *Sockets) Address() (ip, mask, gateway [4]byte) {
	return [4]byte{10, 0, 2, 15}, [4]byte{255, 255, 255, 0}, [4]byte{10, 0, 2, 2}
}

// Up is always true.
func (s *Sockets) Up() bool { return true }

// Admits is true: all networks lead to the computer's.
func (s *Sockets) Admits(ssid, password string) bool { return true }

// Next is unknown.
func (s *Sockets) Next() (time.Duration, bool) { return 0, false }

// Wake is signalled when an event has arrived.
func (s *Sockets) Wake() <-chan struct{} { return s.wake }

func (s *Sockets) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// post adds an event, unless the device has been restarted since. Called without the lock.
func (s *Sockets) post(epoch int, e Event) {
	s.mu.Lock()
	if epoch == s.epoch {
		s.events = append(s.events, e)
	}
	s.mu.Unlock()
	s.signal()
}

// Resolve asks the system's resolver.
func (s *Sockets) Resolve(_ time.Duration, id int, host string) {
	s.mu.Lock()
	epoch := s.epoch
	s.mu.Unlock()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		e := Event{Kind: Resolved, ID: id, Error: NotFound}
		if host == "localhost" {
			e.IP, e.Error = [4]byte{127, 0, 0, 1}, None
		} else if inPool(host) {
			_, _, e.IP = s.Address()
			e.Error = None
		} else if ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host); err == nil && len(ips) > 0 {
			e.IP, e.Error = ips[0].Unmap().As4(), None
		}
		s.post(epoch, e)
	}()
}

// Connect dials.
func (s *Sockets) Connect(_ time.Duration, id int, ip [4]byte, port uint16) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	k := &socket{cancel: cancel, room: sync.NewCond(&s.mu)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(id)
	s.socks[id] = k
	address := netip.AddrPortFrom(netip.AddrFrom4(ip), port).String()
	go func() {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
		s.mu.Lock()
		defer s.mu.Unlock()
		defer s.signal()
		if k.closed {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			delete(s.socks, id)
			s.events = append(s.events, Event{Kind: Failed, ID: id, Error: reason(err, Refused)})
			return
		}
		s.events = append(s.events, Event{Kind: Connected, ID: id})
		s.carry(id, k, conn)
	}()
}

// carry lets a socket use its connection. Called with the lock.
func (s *Sockets) carry(id int, k *socket, conn net.Conn) {
	k.conn = conn
	go s.read(id, k)
	go s.write(id, k)
}

// reason names an error of the net package; a reset is called as given.
func reason(err error, reset Error) Error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH) {
		return Timeout
	}
	return reset
}

// read fills k.in, no further than the window.
func (s *Sockets) read(id int, k *socket) {
	for {
		data := make([]byte, Segment)
		n, err := k.conn.Read(data)
		s.mu.Lock()
		if n > 0 {
			k.in = append(k.in, data[:n])
		}
		if err != nil {
			k.ended = &Event{Kind: Closed, ID: id}
			if !errors.Is(err, io.EOF) {
				k.ended = &Event{Kind: Failed, ID: id, Error: reason(err, Reset)}
			}
		}
		for len(k.in) >= Window && !k.closed {
			s.signal()
			k.room.Wait()
		}
		stop := err != nil || k.closed
		s.mu.Unlock()
		s.signal()
		if stop {
			return
		}
	}
}

// write empties k.out. A failed write is reported by the reader.
func (s *Sockets) write(id int, k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(k.out) == 0 && !k.closed {
			k.room.Wait()
		}
		if len(k.out) == 0 { // closed, and all is written
			k.conn.Close()
			return
		}
		data := k.out[0]
		s.mu.Unlock()
		_, err := k.conn.Write(data)
		s.mu.Lock()
		if err != nil {
			k.broken = true
			s.signal()
			if k.closed {
				k.conn.Close()
			}
			return
		}
		if len(k.out) > 0 {
			k.out = k.out[1:]
		}
		if !k.closed {
			s.events = append(s.events, Event{Kind: Sent, ID: id})
			s.signal()
		}
	}
}

// Send queues data for the writer.
func (s *Sockets) Send(_ time.Duration, id int, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.socks[id]; k != nil {
		k.out = append(k.out, slices.Clone(data))
		k.room.Broadcast()
	}
}

// Close lets the writer finish, then closes.
func (s *Sockets) Close(_ time.Duration, id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.socks[id]; k != nil && k.conn != nil {
		s.finish(id, k)
		return
	}
	s.drop(id)
}

// finish lets the writer write what is queued, and close. Called with the lock.
func (s *Sockets) finish(id int, k *socket) {
	_ = k.conn.SetWriteDeadline(time.Now().Add(Patience))
	k.closed = true
	if k.broken { // the writer is gone
		k.conn.Close()
	}
	k.room.Broadcast()
	s.forget(id)
}

// Reset closes with a TCP reset.
func (s *Sockets) Reset(_ time.Duration, id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(id)
}

// drop resets a connection. Called with the lock.
func (s *Sockets) drop(id int) {
	k := s.socks[id]
	if k == nil {
		return
	}
	k.closed, k.out = true, nil
	k.cancel()
	if tcp, ok := k.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		tcp.Close()
	}
	k.room.Broadcast()
	s.forget(id)
}

// forget removes a connection and the events that wait for it. Called with the lock.
func (s *Sockets) forget(id int) {
	delete(s.socks, id)
	s.events = slices.DeleteFunc(s.events, func(e Event) bool {
		return e.ID == id && e.Kind != Resolved && e.Kind != Told
	})
}

// Hold leaves Window segments to be taken.
func (s *Sockets) Hold(_ time.Duration, id int, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.socks[id]; k != nil {
		k.held, k.taken = on, 0
		s.signal()
	}
}

// Sleep keeps the connections open, which nobody reads.
func (s *Sockets) Sleep(time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep = true
}

// Restart resets all connections.
func (s *Sockets) Restart(time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.socks {
		s.drop(id)
	}
	s.asleep = false
	s.epoch++
	s.events = nil
}

// Poll returns an event that has arrived.
func (s *Sockets) Poll(time.Duration) (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asleep {
		return Event{}, false
	}
	if len(s.events) > 0 {
		e := s.events[0]
		s.events = s.events[1:]
		return e, true
	}
	for id, k := range s.socks {
		switch {
		case len(k.out) > 0 && !k.broken:
			// An answer acknowledges what it answers: first Sent, then Data. Also when the other
			// side has ended the connection before the writer could tell that it has written.
		case len(k.in) > 0 && (!k.held || k.taken < Window):
			k.taken++
			e := Event{Kind: Data, ID: id, Data: k.in[0]}
			k.in = k.in[1:]
			k.room.Broadcast()
			return e, true
		case len(k.in) == 0 && k.ended != nil:
			e := *k.ended
			if e.Kind == Closed { // what is still to be written goes out
				s.finish(id, k)
			} else {
				s.drop(id)
			}
			return e, true
		}
	}
	return Event{}, false
}
