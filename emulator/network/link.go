// Package network is what lies behind an emulated device's WiFi: real sockets of
// this computer, or hosts in memory on virtual time.
package network

import "time"

// Link is one device's way to the network. It is pulled, never calls back, and
// every call carries the device's time, so that a Memory link is deterministic.
// Connections and look-ups are named by ids that the device chooses; an id may be
// used again after it was closed or reset, or after its Failed event.
type Link interface {
	// Up says whether there is an access point to be associated with.
	Up() bool
	// Admits reports whether an access point of that network, with that password, is there.
	Admits(ssid, password string) bool
	// Address is what the access point gives the device.
	Address() (ip, mask, gateway [4]byte)

	// Resolve looks up a host's IPv4 address; a Resolved event answers.
	Resolve(now time.Duration, id int, host string)
	// Time asks the time server at an address; a Told event answers, or none.
	Time(now time.Duration, id int, ip [4]byte)
	// Connect opens a TCP connection; a Connected or Failed event answers.
	Connect(now time.Duration, id int, ip [4]byte, port uint16)
	// Send queues data, which is copied; a Sent event follows when the other side
	// has acknowledged it.
	Send(now time.Duration, id int, data []byte)
	// Close ends the connection in order: what was sent arrives first. No event follows.
	Close(now time.Duration, id int)
	// Reset ends it at once. No event follows.
	Reset(now time.Duration, id int)
	// Hold keeps the TCP window from opening again, until it is called with false:
	// what it allowed before, Window segments at most, still comes.
	Hold(now time.Duration, id int, on bool)
	// Sleep is what a device does that goes to sleep: nothing reaches it any more, and nobody is
	// told, until it restarts.
	Sleep(now time.Duration)
	// Restart forgets all connections and look-ups, as a device does that resets.
	Restart(now time.Duration)

	// Poll returns the next event that is due.
	Poll(now time.Duration) (Event, bool)
	// Next is the time before which nothing will be due, if that is known.
	Next() (time.Duration, bool)
	// Wake is signalled when something may be due; nil if Next tells all.
	Wake() <-chan struct{}
}

// Kind is what an Event is about.
type Kind int

// The kinds of events.
const (
	Resolved  Kind = iota // IP is the address, or Error NotFound
	Connected             // the connection is open
	Data                  // at most Segment bytes have arrived
	Sent                  // what the oldest unanswered Send sent has been acknowledged
	Closed                // the other side closed, after all its data
	Failed                // the connection is gone; Error says why
	Told                  // Time is that of the time server at IP
)

// Error says why a look-up or a connection failed.
type Error int

// The errors.
const (
	None Error = iota
	NotFound
	Refused // answered with a reset, at connecting
	Reset   // reset by the other side, later
	Timeout // no answer
)

// Event is something that happened to a look-up or a connection.
type Event struct {
	Kind  Kind
	ID    int
	IP    [4]byte
	Data  []byte
	Error Error
	Time  time.Time
}

// Segment is the most that one Data event carries: a TCP segment on Ethernet.
const Segment = 1460

// Window is how many segments are under way to the device at most.
const Window = 4

// Patience is how long a connection waits for an answer before it fails with
// Timeout: in the order of what the SDK's lwIP does.
const Patience = 20 * time.Second
