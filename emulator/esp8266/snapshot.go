package esp8266

import (
	"fmt"

	"esper/emulator/lx106"
)

// Snapshot is a chip at one moment, with its flash; without its callbacks.
type Snapshot struct {
	state  state
	cpu    lx106.State
	flash  flashSnapshot
	chipID uint32
	seed   uint64
}

// Snapshot copies the chip's state. Flash sectors are shared until they change.
func (c *Chip) Snapshot() *Snapshot {
	return &Snapshot{c.state, c.CPU.State, c.Flash.snapshot(), c.ChipID, c.Seed}
}

// Restore makes this chip the one that s was taken of. A snapshot can be restored
// many times, also on other chips whose flash has the same size.
func (c *Chip) Restore(s *Snapshot) error {
	if err := c.Flash.restore(s.flash); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	c.state, c.CPU.State, c.ChipID, c.Seed = s.state, s.cpu, s.chipID, s.seed
	c.setWindows()
	c.CPU.Invalidate(iramBase, iramSize)
	return nil
}
