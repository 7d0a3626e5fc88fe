// Package lx106 is the CPU of the ESP8266: a Xtensa LX3 core as configured by
// its maker (little endian; density, 16- and 32-bit multiplication, NSA,
// extended L32R, exceptions, interrupts up to level 3, one timer, the debug option; no windowed
// registers, loops, division or caches). It knows only its Bus.
//
// Every instruction takes one cycle. Nothing here may be called from two
// goroutines at once.
package lx106

// CPU is one core. Its State may be read and replaced while it does not run;
// memory that changes together with it needs an Invalidate.
type CPU struct {
	State

	// Trace, if set before Run, is called before each instruction that is about
	// to be executed. It may change the State, PC included.
	Trace func(pc uint32)

	bus     Bus
	windows []window
	// The windows that the last load, store and L32R hit.
	loadWindow, storeWindow, literalWindow *window

	hooks  map[uint32]bool  // addresses where Run stops as at a SIMCALL
	pages  map[uint32]*page // decoded code by address / pageSize
	recent [64]*page        // the same, found faster

	next  uint64 // value of Cycles at which poll has something to do
	until uint64
	halt  bool
}

// New returns a CPU in its reset state.
func New(bus Bus) *CPU {
	c := &CPU{bus: bus, pages: map[uint32]*page{}}
	c.SetWindows()
	c.Reset()
	return c
}

// Halt makes Run return StopHalt after the current instruction, or at once
// where the CPU does not run.
func (c *CPU) Halt() {
	c.halt = true
	c.next = 0
}

// SetHooks makes Run return StopSimcall wherever PC is one of these addresses, whatever
// instruction lies there, instead of where it did so before. They cost nothing elsewhere.
func (c *CPU) SetHooks(at ...uint32) {
	for addr := range c.hooks {
		c.Invalidate(addr, 1)
	}
	c.hooks = map[uint32]bool{}
	for _, addr := range at {
		c.hooks[addr] = true
		c.Invalidate(addr, 1)
	}
}

// PassHook executes the one instruction at PC although the address is hooked.
func (c *CPU) PassHook() {
	pc := c.PC
	delete(c.hooks, pc)
	c.Invalidate(pc, 1)
	c.Run(c.Cycles + 1)
	c.hooks[pc] = true
	c.Invalidate(pc, 1)
}

// CCOUNT returns the cycle counter as the program sees it.
func (c *CPU) CCOUNT() uint32 { return uint32(c.Cycles) + c.CCOUNTOffset }

// poll does what is due between two instructions. It reports whether Run must
// return, and why.
func (c *CPU) poll() (Stop, bool) {
	for c.Cycles >= c.TimerAt {
		c.INTERRUPT |= timerInterrupt
		c.TimerAt += 1 << 32
	}
	if c.halt {
		c.halt = false
		return StopHalt, true
	}
	if c.Cycles >= c.until {
		return StopBudget, true
	}
	c.count()
	c.takeInterrupt()
	if c.Waiting {
		return StopWaiti, true
	}
	c.next = min(c.until, c.TimerAt)
	if c.debugging() {
		c.debug()
		c.next = c.Cycles + 1
	}
	if c.Trace != nil {
		c.Trace(c.PC)
		c.next = c.Cycles + 1
	}
	return 0, false
}
