package broker

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// account is what one token, or one address, has of the broker: whatever connections it makes, and
// however many ids it makes up, what they leave behind counts together.
type account struct {
	connections   int
	broad         int // of the subscriptions
	subscriptions amount
	retained      amount
	packets       bucket
	scans         bucket // in seconds
}

func (a *account) empty() bool { return a.connections == 0 && a.retained.topics == 0 }

// amount is a number of topics, retained or subscribed to, with their levels and bytes.
type amount struct{ topics, levels, bytes int }

// amountOf is what a topic or filter takes, with what belongs to it in bytes.
func amountOf(topic string, size int) amount {
	return amount{1, 1 + strings.Count(topic, "/"), len(topic) + size}
}

func (a amount) plus(b amount) amount {
	return amount{a.topics + b.topics, a.levels + b.levels, a.bytes + b.bytes}
}

func (a amount) minus(b amount) amount {
	return amount{a.topics - b.topics, a.levels - b.levels, a.bytes - b.bytes}
}

// memory is about how many bytes the library needs for it: it keeps a tree of levels.
func (a amount) memory() int { return a.bytes + 600*(a.topics+a.levels) }

// accounts are what all have, and what each has.
type accounts struct {
	broadDepth int // isBroad: so many levels; it does not change

	mu sync.Mutex
	of map[string]*account

	subscriptions amount
	retained      map[string]entry  // by topic
	devices       map[string]amount // retained on the topics of a device
	all           amount            // retained
}

// entry is a retained message: how much it is, and who is charged for it, "" is nobody.
type entry struct {
	amount
	device, account string
}

func newAccounts(realm string) *accounts {
	return &accounts{
		broadDepth: 2 + strings.Count(realm, "/"), of: map[string]*account{},
		retained: map[string]entry{}, devices: map[string]amount{},
	}
}

// nameOf returns the name of a party's account. On the broker's own machine each connection is one: that is
// where fleets are emulated, and where tunnels and proxies end.
func nameOf(p *party, c *connection) string {
	switch {
	case p.name != "":
		return "token " + p.name
	case c.from.Addr().IsLoopback() || c.from == (netip.Prefix{}):
		return "connection " + c.RemoteAddr().String()
	}
	return "address " + c.from.String()
}

// enter counts a connection in, unless a token has too many.
func (n *accounts) enter(name string, isToken bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.get(name)
	if isToken && a.connections >= maxTokenConnections {
		return false
	}
	a.connections++
	return true
}

// leave counts a connection out, with its subscriptions.
func (n *accounts) leave(name string, subscriptions map[string]amount) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.get(name).connections--
	for filter := range subscriptions {
		n.unsubscribe(name, subscriptions, filter)
	}
	n.tidy(name)
}

// subscribe counts filters, unless they are too many. Those that are there count once.
func (n *accounts) subscribe(name string, have map[string]amount, filters []string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.get(name)
	for _, filter := range filters {
		if _, ok := have[filter]; ok {
			continue
		}
		more := amountOf(filter, 0)
		broad := a.broad
		if n.isBroad(filter) {
			broad++
		}
		of, all := a.subscriptions.plus(more), n.subscriptions.plus(more)
		if broad > maxBroad || of.topics > maxAccountSubscriptions ||
			of.memory() > maxAccountMemory || all.topics > maxSubscriptions || all.memory() > maxMemory {
			return false // the connection ends, and with it what has been counted
		}
		a.broad, a.subscriptions, n.subscriptions, have[filter] = broad, of, all, more
	}
	return true
}

// unsubscribe counts a filter out. The lock is held.
func (n *accounts) unsubscribe(name string, have map[string]amount, filter string) {
	less, ok := have[filter]
	if !ok {
		return
	}
	a := n.get(name)
	if n.isBroad(filter) {
		a.broad--
	}
	a.subscriptions, n.subscriptions = a.subscriptions.minus(less), n.subscriptions.minus(less)
	delete(have, filter)
}

// isBroad reports whether a filter matches topics of many devices, so that each of their messages
// is sent once more: it has a wildcard no later than where a topic has the device's id.
func (n *accounts) isBroad(filter string) bool {
	levels := strings.SplitN(filter, "/", n.broadDepth+1)
	for _, level := range levels[:min(len(levels), n.broadDepth)] {
		if level == "#" || level == "+" {
			return true
		}
	}
	return false
}

// mayRetain reports whether a message may be retained: there is room for it in what the topic's
// device, the account, and all have.
func (n *accounts) mayRetain(topic string, e entry) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.retained[topic]
	device, all, of := n.devices[e.device], n.all.minus(before.amount), amount{}
	if before.topics > 0 {
		device = device.minus(before.amount)
	}
	if e.account != "" {
		of = n.get(e.account).retained
		if before.account == e.account {
			of = of.minus(before.amount)
		}
	}
	device, all, of = device.plus(e.amount), all.plus(e.amount), of.plus(e.amount)
	fits := e.device == "" || device.topics <= maxDeviceRetained && device.bytes <= maxDeviceRetainedBytes
	return fits && all.topics <= maxRetained && all.memory() <= maxMemory && of.memory() <= maxAccountMemory
}

// setRetained notes what is retained on a topic now. It asks for it under the lock, so that of two
// changes the later is noted last; nothing: no topics.
func (n *accounts) setRetained(topic string, now func() entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if before, ok := n.retained[topic]; ok {
		delete(n.retained, topic)
		n.all = n.all.minus(before.amount)
		if of := n.devices[before.device].minus(before.amount); of.topics > 0 {
			n.devices[before.device] = of
		} else {
			delete(n.devices, before.device)
		}
		if before.account != "" {
			a := n.get(before.account)
			a.retained = a.retained.minus(before.amount)
			n.tidy(before.account)
		}
	}
	e := now()
	if e.topics == 0 {
		return
	}
	n.retained[topic] = e
	n.all = n.all.plus(e.amount)
	n.devices[e.device] = n.devices[e.device].plus(e.amount)
	if e.account != "" {
		a := n.get(e.account)
		a.retained = a.retained.plus(e.amount)
	}
}

// take counts against a rate that all connections of an account share.
func (n *accounts) take(name string, from func(*account) *bucket, r rate, cost float64) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return from(n.get(name)).take(r, cost, time.Now())
}

func (n *accounts) get(name string) *account {
	a := n.of[name]
	if a == nil {
		a = &account{}
		n.of[name] = a
	}
	return a
}

func (n *accounts) tidy(name string) {
	if n.of[name].empty() {
		delete(n.of, name)
	}
}
