package gateway

import (
	"time"

	"esper/emulator/network"
)

// The stack cannot be copied. But it does the same again when the same happens to it, so a
// gateway that keeps what has happened since the device started can be made again.

// input is a frame of the device's; or what came of a look at the link and the clock.
type input struct {
	at     time.Duration
	frame  []byte
	events []network.Event
}

func (g *Gateway) keep(i input) {
	if g.keeps {
		g.history = append(g.history, i)
	}
}

// Snapshot is a gateway at one moment, without its link.
type Snapshot struct {
	began, now time.Duration
	firstID    int
	history    []input
	taken      int
}

// Snapshot copies the gateway.
func (g *Gateway) Snapshot() *Snapshot {
	n := len(g.history)
	return &Snapshot{g.began, g.clock.now, g.firstID, g.history[:n:n], g.taken}
}

// Restore makes a gateway as it was, on a link that is as it was then.
func Restore(s *Snapshot, link network.Link) *Gateway {
	g := &Gateway{link: silent{link}, lastID: s.firstID}
	g.start(s.began)
	for _, i := range s.history {
		if i.frame != nil {
			g.Frame(i.at, i.frame)
			continue
		}
		g.advance(i.at)
		for _, e := range i.events {
			g.event(e)
		}
		g.serve(i.at)
	}
	g.advance(s.now)
	g.out, g.taken = g.out[s.taken:], s.taken
	g.link, g.history, g.keeps = link, s.history, true
	return g
}

// silent is a link that has been told already.
type silent struct{ network.Link }

func (silent) Time(time.Duration, int, [4]byte)            {}
func (silent) Resolve(time.Duration, int, string)          {}
func (silent) Connect(time.Duration, int, [4]byte, uint16) {}
func (silent) Send(time.Duration, int, []byte)             {}
func (silent) Close(time.Duration, int)                    {}
func (silent) Reset(time.Duration, int)                    {}
func (silent) Hold(time.Duration, int, bool)               {}
func (silent) Sleep(time.Duration)                         {}
