package network

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// next waits for an event.
func next(t *testing.T, s *Sockets) Event {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		if e, ok := s.Poll(0); ok {
			return e
		}
		select {
		case <-s.Wake():
		case <-deadline:
			t.Fatal("nothing happens")
		}
	}
}

// serve accepts one connection and lets f deal with it.
func serve(t *testing.T, f func(net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			f(c)
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

var loopback = [4]byte{127, 0, 0, 1}

func TestSocketsCarryDataBothWays(t *testing.T) {
	port := serve(t, func(c net.Conn) {
		io.CopyN(c, c, 5)
		c.Write(bytes.Repeat([]byte("x"), 20000))
		c.Close()
	})
	s := NewSockets()
	s.Resolve(0, 9, "localhost")
	if e := next(t, s); e.Kind != Resolved || e.ID != 9 || e.IP != loopback {
		t.Fatalf("%+v", e)
	}
	s.Connect(0, 1, loopback, port)
	if e := next(t, s); e.Kind != Connected || e.ID != 1 {
		t.Fatalf("%+v", e)
	}
	s.Send(0, 1, []byte("hello"))
	var got []byte
	sent := false
	for {
		e := next(t, s)
		switch e.Kind {
		case Sent:
			sent = true
			continue
		case Data:
			if len(e.Data) > Segment {
				t.Errorf("%d bytes at once", len(e.Data))
			}
			got = append(got, e.Data...)
			continue
		case Closed:
		default:
			t.Fatalf("%+v", e)
		}
		break
	}
	if !sent || len(got) != 20005 || string(got[:6]) != "hellox" {
		t.Errorf("sent %v, got %d bytes", sent, len(got))
	}
}

// slowly is a connection that has sent long before it says so.
type slowly struct {
	net.Conn
	sent <-chan struct{}
}

func (c slowly) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	<-c.sent
	return n, err
}

func TestSentComesBeforeTheAnswerAndTheEnd(t *testing.T) {
	port := serve(t, func(c net.Conn) {
		io.CopyN(c, c, 5)
		c.Close()
	})
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(netip.AddrFrom4(loopback), port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := NewSockets()
	sent := make(chan struct{})
	k := &socket{room: sync.NewCond(&s.mu), cancel: func() {}}
	s.mu.Lock()
	s.socks[1] = k
	s.carry(1, k, slowly{conn, sent})
	s.mu.Unlock()
	s.Send(0, 1, []byte("hello"))
	for ended := false; !ended; {
		if e, ok := s.Poll(0); ok {
			t.Fatalf("%+v, but nothing was sent yet", e)
		}
		<-s.Wake()
		s.mu.Lock()
		ended = k.ended != nil
		s.mu.Unlock()
	}
	if e, ok := s.Poll(0); ok {
		t.Fatalf("%+v, but nothing was sent yet", e)
	}
	close(sent)
	for _, want := range []Kind{Sent, Data, Closed} {
		if e := next(t, s); e.Kind != want {
			t.Fatalf("%+v, want %v", e, want)
		}
	}
}

func TestSocketsFailAsTheyShould(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := uint16(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	s := NewSockets()
	s.Connect(0, 1, loopback, free)
	if e := next(t, s); e.Kind != Failed || e.Error != Refused {
		t.Errorf("%+v", e)
	}
	port := serve(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() })
	s.Connect(0, 1, loopback, port)
	if e := next(t, s); e.Kind == Connected {
		if e := next(t, s); e.Kind != Failed || e.Error != Reset {
			t.Errorf("%+v", e)
		}
	}
}

func TestHeldSocketsPushBack(t *testing.T) {
	const size = 64 << 20
	written := make(chan int64)
	port := serve(t, func(c net.Conn) {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, _ := io.Copy(c, io.LimitReader(zeros{}, size))
		written <- n
		c.Close()
	})
	s := NewSockets()
	s.Connect(0, 1, loopback, port)
	next(t, s)
	s.Hold(0, 1, true)
	for range Window {
		if e := next(t, s); e.Kind != Data {
			t.Fatalf("%+v", e)
		}
	}
	if n := <-written; n == size {
		t.Error("all of it was taken")
	}
	if e, ok := s.Poll(0); ok {
		t.Errorf("more than the window came: %+v", e)
	}
	s.Restart(0)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestAClosedSocketSendsTheRestFirst(t *testing.T) {
	all := make(chan []byte)
	port := serve(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		all <- b
	})
	s := NewSockets()
	s.Connect(0, 1, loopback, port)
	next(t, s)
	s.Send(0, 1, []byte("good"))
	s.Send(0, 1, []byte("bye"))
	s.Close(0, 1)
	if got := <-all; string(got) != "goodbye" {
		t.Errorf("%q", got)
	}
	if e, ok := s.Poll(0); ok {
		t.Errorf("%+v", e)
	}
}

func TestASleepingDeviceKeepsItsSocketsOpenUnread(t *testing.T) {
	said, ended := make(chan bool), make(chan error)
	port := serve(t, func(c net.Conn) {
		_, err := c.Write([]byte("hello"))
		said <- err == nil
		_, err = c.Read(make([]byte, 1))
		ended <- err
	})
	s := NewSockets()
	s.Connect(0, 1, loopback, port)
	if e := next(t, s); e.Kind != Connected {
		t.Fatalf("%+v", e)
	}
	s.Sleep(0)
	if !<-said {
		t.Error("the server cannot write")
	}
	if e, ok := s.Poll(0); ok {
		t.Errorf("the sleeping device hears of %+v", e)
	}
	s.Restart(0)
	if err := <-ended; err == nil {
		t.Error("the connection goes on after the sleep")
	}
	if e, ok := s.Poll(0); ok {
		t.Errorf("the device hears of %+v from before", e)
	}
}

func TestThisComputersClockIsToldAtAnyAddress(t *testing.T) {
	s := NewSockets()
	s.Resolve(0, 1, "2.pool.ntp.org")
	_, _, gateway := s.Address()
	if e := next(t, s); e.Kind != Resolved || e.Error != None || e.IP != gateway {
		t.Fatalf("%+v", e)
	}
	before := time.Now()
	s.Time(0, 2, gateway)
	if e := next(t, s); e.Kind != Told || e.ID != 2 || e.Time.Before(before) || e.Time.After(time.Now()) {
		t.Errorf("%+v", e)
	}
	var clock time.Time
	s.Clock = func() time.Time { return clock }
	s.Time(0, 3, gateway)
	if e, ok := s.Poll(0); ok {
		t.Errorf("a server that is not there says %+v", e)
	}
	clock = before.AddDate(10, 0, 0)
	s.Time(0, 4, loopback)
	if e := next(t, s); e.ID != 4 || !e.Time.Equal(clock) {
		t.Errorf("%+v", e)
	}
}
