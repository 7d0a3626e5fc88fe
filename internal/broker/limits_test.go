package broker

import (
	"net"
	"testing"
	"time"

	"esper/internal/connections"
)

func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	n := newAddresses(MaxConnections)
	greedy := connections.Address(&net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1})
	for range maxStrangersFromAddress {
		if limit := n.enter(greedy); limit != "" {
			t.Fatal(limit)
		}
	}
	if n.enter(greedy) == "" {
		t.Errorf("more than %d strangers from one address", maxStrangersFromAddress)
	}
	for range maxStrangersFromAddress {
		n.loggedIn(greedy)
	}
	for range maxFromAddress - maxStrangersFromAddress {
		if limit := n.enter(greedy); limit != "" {
			t.Fatal(limit)
		}
		n.loggedIn(greedy)
	}
	if n.enter(greedy) == "" {
		t.Errorf("more than %d from one address", maxFromAddress)
	}
	if limit := n.enter(connections.Address(&net.TCPAddr{IP: net.ParseIP("192.0.2.2")})); limit != "" {
		t.Errorf("another address: %s", limit)
	}
	n.leave(greedy)
	if limit := n.enter(greedy); limit != "" {
		t.Errorf("after one left: %s", limit)
	}
}

func TestStrangersCannotTakeAllConnections(t *testing.T) {
	n := newAddresses(MaxConnections)
	own := connections.Address(&net.TCPAddr{IP: net.ParseIP("127.0.0.1")})
	for range maxStrangers {
		if limit := n.enter(own); limit != "" {
			t.Fatal(limit)
		}
	}
	if n.enter(own) == "" {
		t.Errorf("more than %d strangers", maxStrangers)
	}
	for range maxStrangers {
		n.loggedIn(own)
		n.leave(own)
	}
	for range MaxConnections {
		if limit := n.enter(own); limit != "" {
			t.Fatal(limit)
		}
		n.loggedIn(own)
	}
	if n.enter(own) == "" {
		t.Errorf("more than %d connections", MaxConnections)
	}
}

func TestAddressesThatAreLongGoneAreForgotten(t *testing.T) {
	n := newAddresses(MaxConnections)
	for i := range 5000 {
		from := connections.Address(&net.TCPAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i))})
		n.enter(from)
		n.loggedIn(from)
		n.leave(from)
	}
	if len(n.known) > 1001 {
		t.Errorf("%d addresses are remembered", len(n.known))
	}
}

func TestAHostOfIPv6IsOneAddress(t *testing.T) {
	a := connections.Address(&net.TCPAddr{IP: net.ParseIP("2001:db8::1")})
	if b := connections.Address(&net.TCPAddr{IP: net.ParseIP("2001:db8::2:1")}); a != b {
		t.Errorf("%v and %v", a, b)
	}
	if b := connections.Address(&net.TCPAddr{IP: net.ParseIP("2001:db8:0:1::1")}); a == b {
		t.Errorf("%v is one", a)
	}
	if own := connections.Address(&net.TCPAddr{IP: net.ParseIP("::1")}); !own.Addr().IsLoopback() {
		t.Errorf("%v", own)
	}
}

func TestABucket(t *testing.T) {
	var b bucket
	now := time.Unix(1_000_000_000, 0)
	r := rate{perSecond: 10, burst: 5}
	for i := range 5 {
		if wait := b.take(r, 1, now); wait != 0 {
			t.Errorf("%d: waits %v", i, wait)
		}
	}
	if wait := b.take(r, 2, now); wait != 200*time.Millisecond {
		t.Errorf("waits %v, want 200 ms", wait)
	}
	if wait := b.take(r, 1, now.Add(time.Hour)); wait != 0 {
		t.Errorf("an hour later it waits %v", wait)
	}
}
