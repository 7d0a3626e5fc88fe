package broker

import "sync"

// keep counts the retained messages, of each device and of all.
type keep struct {
	mu     sync.Mutex
	sizes  map[string]int // bytes, by topic
	owners map[string]amount
	all    amount
}

type amount struct{ topics, bytes int }

func (a amount) plus(topics, bytes int) amount { return amount{a.topics + topics, a.bytes + bytes} }

// fits says whether a message of so many bytes, topic included, may be retained on a topic
// of an owner, who is empty if it is no device's.
func (k *keep) fits(owner, topic string, size int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, has := k.sizes[topic]
	topics := 1
	if has {
		topics = 0
	}
	of, all := k.owners[owner].plus(topics, size-before), k.all.plus(topics, size-before)
	return all.topics <= maxRetained && all.bytes <= maxRetainedBytes &&
		(owner == "" || of.topics <= maxDeviceRetained && of.bytes <= maxDeviceRetainedBytes)
}

// set notes what is retained on a topic now; 0 bytes: nothing.
func (k *keep) set(owner, topic string, size func() int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := size() // under the lock, so that of two changes the later is noted last
	before, had := k.sizes[topic]
	topics := 0
	switch {
	case now > 0 && !had:
		topics = 1
	case now == 0 && had:
		topics = -1
	}
	if now > 0 {
		k.sizes[topic] = now
	} else {
		delete(k.sizes, topic)
	}
	k.all = k.all.plus(topics, now-before)
	if of := k.owners[owner].plus(topics, now-before); of.topics > 0 {
		k.owners[owner] = of
	} else {
		delete(k.owners, owner)
	}
}
