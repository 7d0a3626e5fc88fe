package connections

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serving runs a server with a limit, whose handler answers when told to if it is asked for /slow.
func serving(t *testing.T, l *Limit) (address string, goOn chan struct{}) {
	t.Helper()
	goOn = make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.(http.Flusher).Flush()
			<-goOn
		}
	}))
	s.Config.ConnState = l.State
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), goOn
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ask returns the status of an answer, 0 if there is none.
func ask(c net.Conn, path string) int {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	return a.StatusCode
}

// Connections that do nothing give way to one that asks, those that are being answered do not.
func TestWhoDoesNothingGivesWay(t *testing.T) {
	const most = 8
	address, goOn := serving(t, NewLimit(most, most))
	defer close(goOn)
	busy := dial(t, address)
	if status := ask(busy, "/slow"); status != 200 {
		t.Fatalf("status %d", status)
	}
	var idle []net.Conn
	for range most - 1 {
		idle = append(idle, dial(t, address))
	}
	if status := ask(idle[0], "/"); status != 200 { // it has been of use, and waits since then
		t.Fatalf("status %d", status)
	}
	for i := range 3 {
		if status := ask(dial(t, address), "/slow"); status != 200 {
			t.Errorf("request %d on a new connection: status %d", i, status)
		}
	}
	for i := 1; i <= 3; i++ {
		if _, err := idle[i].Read(make([]byte, 1)); err != io.EOF && err == nil {
			t.Errorf("connection %d, which did nothing, goes on: %v", i, err)
		}
	}
	if status := ask(idle[0], "/slow"); status != 200 {
		t.Errorf("a connection that was of use gave way first: status %d", status)
	}
}

func TestWhenAllAreBusyANewOneIsRefused(t *testing.T) {
	const most = 4
	address, goOn := serving(t, NewLimit(most, most))
	for range most {
		if status := ask(dial(t, address), "/slow"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	if status := ask(dial(t, address), "/"); status != 0 {
		t.Errorf("one more is answered %d", status)
	}
	close(goOn)
	for deadline := time.Now().Add(10 * time.Second); ask(dial(t, address), "/") != 200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody is answered afterwards")
		}
	}
}

// fake is a connection from somewhere.
type fake struct {
	net.Conn
	from   string
	closed bool
}

func (f *fake) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.from), Port: 7} }
func (f *fake) Close() error         { f.closed = true; return nil }

func TestEachAddressHasItsLimit(t *testing.T) {
	l := NewLimit(100, 10)
	at := time.Unix(1_000_000_000, 0)
	l.now = func() time.Time { at = at.Add(time.Second); return at }
	open := func(from string, n int) (all []*fake) {
		for range n {
			c := &fake{from: from}
			l.State(c, http.StateNew)
			all = append(all, c)
		}
		return all
	}
	others, greedy := open("192.0.2.2", 5), open("192.0.2.1", 15)
	network := append(open("2001:db8::1", 6), open("2001:db8::2", 6)...)
	local := open("127.0.0.1", 20)
	count := func(of []*fake) (closed int) {
		for _, c := range of {
			if c.closed {
				closed++
			}
		}
		return closed
	}
	if count(others) != 0 || count(greedy) != 5 || !greedy[4].closed || greedy[5].closed || count(network) != 2 || count(local) != 0 {
		t.Errorf("closed: %d of others, %d of the greedy, %d of a network, %d of this machine", count(others), count(greedy), count(network), count(local))
	}
	for _, all := range [][]*fake{others, greedy, network, local} {
		for _, c := range all {
			l.State(c, http.StateClosed)
		}
	}
	if len(l.connections) != 0 || len(l.from) != 0 {
		t.Errorf("%d connections of %d addresses are left", len(l.connections), len(l.from))
	}
}

func TestSomeFilesAreKeptForOtherThings(t *testing.T) {
	if n := Available(); n < reserve || n > openFiles() {
		t.Errorf("%d of %d", n, openFiles())
	}
}
