package access

import (
	"net/netip"
	"sync"
	"time"
)

// limit lets something happen now and then: burst times at once, and once more after every
// interval. It is a bucket that leaks (the generic cell rate algorithm of ITU-T I.371).
type limit struct {
	burst int
	every time.Duration
	due   time.Time // when the bucket is empty
}

// allow says whether it may happen now, and counts it if so.
func (l *limit) allow(now time.Time) bool {
	if l.due.Before(now) {
		l.due = now
	}
	if l.due.Sub(now) > time.Duration(l.burst-1)*l.every {
		return false
	}
	l.due = l.due.Add(l.every)
	return true
}

// How often who is refused is told why, and that is written down.
const (
	triesBurst  = 10
	triesEvery  = 6 * time.Second
	allBurst    = 100 // from all addresses together
	allEvery    = 10 * time.Second
	maxWatched  = 1024 // addresses; the others share what one has
	networkBits = 64   // of IPv6, where a network has as many addresses as it likes
)

// tries limits the refusals of each address, and those of all that are written down.
type tries struct {
	mu     sync.Mutex
	by     map[netip.Prefix]*limit
	others limit
	all    limit
	swept  time.Time // when by was looked through for what is over
	unsaid int       // were not written down
}

func newTries() *tries {
	return &tries{
		by: map[netip.Prefix]*limit{}, others: limit{burst: triesBurst, every: triesEvery}, all: limit{burst: allBurst, every: allEvery},
	}
}

// refused counts a refusal. It says whether the address is still told why, whether it is
// to be written down, and how many were not before.
func (t *tries) refused(from netip.Addr, now time.Time) (told, written bool, unsaid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.of(from, now).allow(now) {
		t.unsaid++
		return false, false, 0
	}
	if !t.all.allow(now) {
		t.unsaid++
		return true, false, 0
	}
	unsaid, t.unsaid = t.unsaid, 0
	return true, true, unsaid
}

// of returns the limit of an address's network.
func (t *tries) of(from netip.Addr, now time.Time) *limit {
	bits := networkBits
	if from = from.Unmap().WithZone(""); from.Is4() {
		bits = 32
	}
	network, _ := from.Prefix(bits) // of no address: the zero prefix
	if l := t.by[network]; l != nil {
		return l
	}
	if len(t.by) >= maxWatched && now.Sub(t.swept) >= triesEvery {
		t.swept = now
		for network, l := range t.by {
			if l.due.Before(now) {
				delete(t.by, network)
			}
		}
	}
	if len(t.by) >= maxWatched {
		return &t.others
	}
	l := &limit{burst: triesBurst, every: triesEvery}
	t.by[network] = l
	return l
}
