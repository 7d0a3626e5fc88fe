package emulator

import (
	"time"

	"esper/emulator/network"
)

// Lab is several devices on one network in memory, in virtual time. They advance
// in lock step, no further apart than a packet takes, so that the same beginning
// always leads to the same end.
type Lab struct {
	Net     *network.Memory
	Devices []*Device

	now time.Duration
}

// NewLab makes a lab without devices.
func NewLab() *Lab { return NewLabOn(network.NewMemory()) }

// NewLabOn makes a lab of a network and devices that are linked to it, both as far
// in time: those of a snapshot.
func NewLabOn(net *network.Memory, devices ...*Device) *Lab {
	net.Pace()
	return &Lab{Net: net, Devices: devices, now: net.Now()}
}

// Add makes a device on the lab's network and switches it on; its Link is
// replaced. Add all before the lab runs.
func (l *Lab) Add(config Config) (*Device, error) {
	config.Link = l.Net.Link()
	d, err := New(config)
	if err == nil {
		l.Devices = append(l.Devices, d)
	}
	return d, err
}

// Now is the time since the lab was made.
func (l *Lab) Now() time.Duration { return l.now }

// RunFor lets everything work for some time.
func (l *Lab) RunFor(t time.Duration) { l.RunUntil(func() bool { return false }, t) }

// RunUntil lets everything work until the condition holds, looking after each
// round, and says whether it came to that within max.
func (l *Lab) RunUntil(condition func() bool, max time.Duration) bool {
	for end := l.now + max; !condition(); {
		if l.now >= end {
			return false
		}
		l.round(end)
	}
	return true
}

// round is one step of all: as long as a packet is on its way, or up to the next
// thing that happens anywhere.
func (l *Lab) round(end time.Duration) {
	next, ok := l.Net.Next()
	if !ok {
		next = end
	}
	for _, d := range l.Devices {
		next = min(next, d.Next())
	}
	l.now = min(end, max(next, l.now)+l.Net.Latency)
	for _, d := range l.Devices {
		d.RunTo(l.now)
	}
	l.Net.Advance(l.now)
}
