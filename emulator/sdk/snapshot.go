package sdk

import (
	"fmt"
	"slices"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/network"
)

// Snapshot is a chip and its SDK at one moment. The network is not in it.
type Snapshot struct {
	chip   *esp8266.Snapshot
	origin time.Duration
	state  state
}

// clone copies the state, with what can change of what it points to.
func (s state) clone() state {
	s.calls = slices.Clone(s.calls)
	s.prints = slices.Clone(s.prints)
	s.timers = slices.Clone(s.timers)
	s.heap.blocks = slices.Clone(s.heap.blocks)
	s.conns = slices.Clone(s.conns)
	s.lookups = slices.Clone(s.lookups)
	return s
}

// Snapshot copies everything but the network.
func (s *SDK) Snapshot() *Snapshot {
	return &Snapshot{s.Chip.Snapshot(), s.origin, s.state.clone()}
}

// Restore goes back to a snapshot, of this chip or another, with a link that is as
// it was then: for a Memory link that of a Clone of the network.
func (s *SDK) Restore(from *Snapshot, link network.Link) error {
	if err := s.Chip.Restore(from.chip); err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	s.origin, s.state, s.Link = from.origin, from.state.clone(), link
	return nil
}
