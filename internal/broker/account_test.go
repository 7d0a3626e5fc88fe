package broker

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
	"esper/internal/connections"
)

func TestATokensConnectionsAreLimited(t *testing.T) {
	n := newAccounts("home")
	for range maxTokenConnections {
		if !n.enter("token ada", true) {
			t.Fatal("refused")
		}
	}
	if n.enter("token ada", true) || !n.enter("token eve", true) || !n.enter("address 192.0.2.1/32", false) {
		t.Error("not each token has its own")
	}
	n.leave("token ada", nil)
	if !n.enter("token ada", true) {
		t.Error("refused after one ended")
	}
}

func TestWhoseAccountAConnectionIs(t *testing.T) {
	from := func(ip string) *connection {
		a := &net.TCPAddr{IP: net.ParseIP(ip), Port: 7}
		return &connection{Conn: remote{addr: a}, from: connections.Address(a)}
	}
	for _, test := range []struct {
		who  party
		ip   string
		want string
	}{
		{party{name: "ada"}, "192.0.2.1", "token ada"},
		{party{name: "ada"}, "127.0.0.1", "token ada"},
		{party{device: "00c0de"}, "192.0.2.1", "address 192.0.2.1/32"},
		{party{}, "2001:db8::1", "address 2001:db8::/64"},
		{party{}, "127.0.0.1", "connection 127.0.0.1:7"},
	} {
		if got := nameOf(&test.who, from(test.ip)); got != test.want {
			t.Errorf("%v at %s: %q, want %q", test.who.name, test.ip, got, test.want)
		}
	}
}

// remote is a connection of which only the address is asked.
type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

func TestAnAccountsSubscriptionsAreLimited(t *testing.T) {
	deep := strings.Repeat("/x", maxLevels-1)
	for name, test := range map[string]struct {
		filter func(i int) string
		most   int
	}{
		"filters":       {func(i int) string { return fmt.Sprint(i) }, maxAccountSubscriptions},
		"deep filters":  {func(i int) string { return fmt.Sprint(i) + deep }, maxAccountMemory / (600 * (maxLevels + 1))},
		"broad filters": {func(i int) string { return fmt.Sprint("home/+/", i) }, maxBroad},
	} {
		n := newAccounts("home")
		n.enter("token ada", true)
		n.enter("token eve", true)
		have, more := map[string]amount{}, map[string]amount{}
		i := 0
		for n.subscribe("token ada", have, []string{test.filter(i)}) {
			i++
		}
		if i > test.most || i < test.most*9/10 {
			t.Errorf("%d %s, want %d", i, name, test.most)
		}
		if n.subscribe("token ada", more, []string{test.filter(i)}) {
			t.Errorf("%s: more on another connection", name)
		}
		if !n.subscribe("token eve", more, []string{test.filter(i)}) {
			t.Errorf("%s: none for another account", name)
		}
		n.leave("token ada", have)
		n.leave("token eve", more)
		if n.subscriptions != (amount{}) || len(n.of) != 0 || len(have) != 0 {
			t.Errorf("%s: afterwards %+v, %d accounts", name, n.subscriptions, len(n.of))
		}
	}
}

func TestFiltersThatMatchManyDevices(t *testing.T) {
	home, deep := newAccounts("home"), newAccounts("a/b")
	for filter, want := range map[string][2]bool{
		"#": {true, true}, "+/x": {true, true}, "home/#": {true, true}, "home/+/info": {true, true}, "home/00c0de/#": {false, true},
		"home/00c0de/+": {false, true}, "a/b/+/info": {false, true}, "a/b/c/#": {false, false}, "home": {false, false}, "": {false, false},
	} {
		if got := [2]bool{home.isBroad(filter), deep.isBroad(filter)}; got != want {
			t.Errorf("%q: %v, want %v", filter, got, want)
		}
	}
}

// What an address retains counts together, whatever ids it makes up, and leaves room for others.
func TestAnAccountsRetainedMessagesAreLimited(t *testing.T) {
	n := newAccounts("home")
	put := func(account, device, topic string, size int) bool {
		e := entry{amount: amountOf(topic, size), device: device, account: account}
		if !n.mayRetain(topic, e) {
			return false
		}
		n.setRetained(topic, func() entry { return e })
		return true
	}
	i := 0
	for put("address a", fmt.Sprintf("%06x", i), fmt.Sprintf("home/%06x/x", i), 1000) {
		i++
	}
	if memory := n.of["address a"].retained.memory(); i < 10_000 || memory > maxAccountMemory {
		t.Errorf("%d messages with %d bytes", i, memory)
	}
	if !put("address b", "", "other", 1000) {
		t.Error("another address retains nothing")
	}
	if !put("address a", "000000", "home/000000/x", 1000) || put("address a", "000000", "home/000000/x", 9000) {
		t.Error("a message is not replaced by one of the same size, or is by a larger one")
	}
	if !put("address b", "000000", "home/000000/x", 1000) || !put("address a", "000000", "home/000000/y", 1000) {
		t.Error("what another has replaced still counts")
	}
	for topic := range n.retained {
		n.setRetained(topic, func() entry { return entry{} })
	}
	if n.all != (amount{}) || len(n.of) != 0 || len(n.devices) != 0 {
		t.Errorf("afterwards %+v, %d accounts, %d devices", n.all, len(n.of), len(n.devices))
	}
}

// What MQTT 5 adds to a message counts.
func TestPropertiesOfRetainedMessagesCount(t *testing.T) {
	b := openBroker(t)
	c := login{version: 5, id: "x"}.join(t, b)
	c.Write([]byte("\x31\x1b\x00\x01a\x16\x26\x00\x08property\x00\x09and valuex"))
	for deadline := time.Now().Add(10 * time.Second); b.Stats().Retained == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if s := b.Stats(); s.Retained != 1 || s.RetainedBytes != 27 {
		t.Errorf("%d messages with %d bytes, want 1 with 27", s.Retained, s.RetainedBytes)
	}
}

// All connections of a token share its rate, and what it takes to find retained messages.
func TestAnAccountsRatesAreShared(t *testing.T) {
	n := newAccounts("home")
	n.enter("token ada", true)
	n.enter("token ada", true)
	scans := func(a *account) *bucket { return &a.scans }
	if n.take("token ada", scans, scanRate, scanRate.burst) != 0 {
		t.Error("waits at once")
	}
	if n.take("token ada", scans, scanRate, 1) == 0 {
		t.Error("does not wait")
	}
	if n.take("token eve", scans, scanRate, scanRate.burst) != 0 {
		t.Error("another waits")
	}
}

// A connection too many with one token is refused, and takes nothing with it.
func TestConnectionsWithOneToken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Serve(l, Options{Realm: "home", User: "devices", Password: "x", Token: func(name, token string) (access.Identity, error) {
		if token != "secret" {
			return access.Identity{}, errors.New("unknown")
		}
		return access.Identity{Name: name, Role: access.Viewer}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	answer := func(i int) byte {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "\x10\x1c\x00\x04MQTT\x04\xc2\x00\x3c\x00\x03%03d\x00\x03ada\x00\x06secret", i)
		return receive(t, c)[3]
	}
	for i := range maxTokenConnections {
		if code := answer(i); code != 0 {
			t.Fatalf("connection %d is answered %d", i, code)
		}
	}
	if code := answer(999); code == 0 || b.Stats().Connections != maxTokenConnections || b.Stats().Refused["limit"] != 1 {
		t.Errorf("one more is answered %d; %d connections", code, b.Stats().Connections)
	}
}
