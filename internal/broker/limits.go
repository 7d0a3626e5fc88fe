package broker

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of the embedded broker. They are far above what devices and tools need, and low
// enough that a few hostile clients cost the others nothing.
const (
	// MaxPacket is the largest MQTT packet in bytes that it takes; a larger one
	// ends the connection. Home Assistant's discovery of a device is a few KB.
	MaxPacket = 64 << 10
	// maxDevicePacket is the largest of a device. Its own queue is 3 KB.
	maxDevicePacket = 4 << 10
	// MaxConnections is how many connections it holds at once, 25 to 140 KB each.
	MaxConnections = 20_000
	// maxFromAddress is how many of them come from one address, so that one host cannot
	// take all. Devices behind one router share its address. Loopback has no such limit.
	maxFromAddress = 2_000
	// maxStrangers is how many connections may be there that have not logged in yet, and
	// maxStrangersFromAddress how many of one address.
	maxStrangers            = 2_000
	maxStrangersFromAddress = 100
	// maxTokenConnections is how many have logged in with one token.
	maxTokenConnections = 200
	// loginTime is how long a client may take to log in, and maxLogin how many bytes.
	loginTime = 10 * time.Second
	maxLogin  = 4 << 10
	// An address may fail to log in failureBurst times; then each further failure is
	// answered so much later that there are failuresPerSecond, or after loginTime.
	failureBurst      = 10
	failuresPerSecond = 1
	// writeTime is how long a client may take to take in what is sent to it.
	writeTime = 30 * time.Second
	// maxClientID and maxTopic are in bytes, maxLevels is of a topic, beyond those of the realm but
	// the first: with filters of n levels, a message may have to be looked for in 2^n places. The
	// firmware's topics have 160 bytes at most.
	maxClientID = 128
	maxTopic    = 256
	maxLevels   = 8
	// Subscriptions: of a device, which subscribes once for each feature; of an account, Home
	// Assistant's has five for each device; and of all.
	maxDeviceSubscriptions  = 64
	maxAccountSubscriptions = 100_000
	maxSubscriptions        = 500_000
	// maxBroad is how many of an account's subscriptions match topics of many devices.
	maxBroad = 100
	// Retained messages: of one device, where one for each of 32 features and 16 settings is kept and
	// eight more, with room for those of the former firmware; and of all.
	maxDeviceRetained      = 128
	maxDeviceRetainedBytes = 32 << 10
	maxRetained            = 500_000
	// maxAccountMemory is how much memory, by our estimate, the retained messages of an account
	// take, and its subscriptions; maxMemory is the same for all.
	maxAccountMemory = 128 << 20
	maxMemory        = 1 << 30
	// maxQueue is how many messages wait for one slow client; more are dropped.
	maxQueue = 1024
)

// A rate is how much a client may send: each packet counts 1, and 1 more for each KB. Who
// sends more is read more slowly, and so is told by TCP to wait: nothing is lost, and a device
// that reports a lot after a reconnection is not punished with another.
type rate struct {
	perSecond, burst float64
}

var (
	deviceRate = rate{20, 200}
	toolRate   = rate{5_000, 20_000}
	// scanRate is how long it may take, in seconds, to find the retained messages that an account
	// subscribes to.
	scanRate = rate{0.1, 1}
)

// bucket counts against a rate.
type bucket struct {
	used float64 // of the burst, at the time
	at   time.Time
}

// take counts n and says how long to wait until that much has become free.
func (b *bucket) take(r rate, n float64, now time.Time) time.Duration {
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*r.perSecond) + n
	b.at = now
	return time.Duration(max(0, b.used-r.burst) / r.perSecond * float64(time.Second))
}

// addresses counts the connections from each address, and how often it failed to log in.
type addresses struct {
	most int // connections in all; it does not change

	mu        sync.Mutex
	all       int
	strangers int
	known     map[netip.Prefix]*address
}

type address struct {
	all, strangers int
	failures       bucket
}

// newAddresses returns counts of no connections. Files is how many of them may be open.
func newAddresses(files int) *addresses {
	return &addresses{most: min(MaxConnections, files), known: map[netip.Prefix]*address{}}
}

// enter counts a connection in, or says which limit is in the way.
func (n *addresses) enter(from netip.Prefix) (limit string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.of(from)
	own := from.Addr().IsLoopback()
	switch {
	case n.all >= n.most:
		limit = "too many connections"
	case !own && a.all >= min(maxFromAddress, n.most/2):
		limit = "too many connections from one address"
	case n.strangers >= min(maxStrangers, n.most/2):
		limit = "too many connections that have not logged in"
	case !own && a.strangers >= maxStrangersFromAddress:
		limit = "too many connections from one address that have not logged in"
	default:
		n.all++
		n.strangers++
		a.all++
		a.strangers++
	}
	return limit
}

// loggedIn says that a connection has logged in, or ends without.
func (n *addresses) loggedIn(from netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.strangers--
	n.of(from).strangers--
}

// leave counts a connection out that has logged in or ended without.
func (n *addresses) leave(from netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all--
	n.of(from).all--
}

// failed counts a failed login and says how long to wait before it is answered.
func (n *addresses) failed(from netip.Prefix, now time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return min(loginTime, n.of(from).failures.take(rate{failuresPerSecond, failureBurst}, 1, now))
}

// of returns the counts of an address.
func (n *addresses) of(from netip.Prefix) *address {
	a, ok := n.known[from]
	if !ok {
		n.tidy(time.Now())
		a = &address{}
		n.known[from] = a
	}
	return a
}

// tidy forgets, now and then, addresses that nobody is at and whose failures are long past.
func (n *addresses) tidy(now time.Time) {
	if len(n.known) < 2*n.all+1000 {
		return
	}
	for from, a := range n.known {
		if a.all == 0 && now.Sub(a.failures.at).Seconds()*failuresPerSecond > a.failures.used {
			delete(n.known, from)
		}
	}
}
