package lx106

// Bits of PS (Xtensa ISA, table 4-63). The LX106 has no windowed registers and
// no rings, so these are all.
const (
	PSIntLevel = 0x0F // interrupts of this level and below are held off
	PSExcM     = 0x10 // an exception is being handled; holds off level 1
	PSUM       = 0x20 // user vector mode

	psMask = PSIntLevel | PSExcM | PSUM
)

// State is all that the CPU remembers, as plain values: a copy is a snapshot.
// Registers with several instances are indexed by their level; index 0, and
// EPS[1], do not exist.
type State struct {
	A  [16]uint32
	PC uint32

	SAR, LITBASE, PS, VECBASE uint32

	EPC, EPS, EXCSAVE        [4]uint32
	DEPC, EXCCAUSE, EXCVADDR uint32

	INTERRUPT, INTENABLE uint32
	CCOMPARE0            uint32

	// Registers of the debug option. DDR belongs to the on-chip debug mode and has no effect.
	IBREAKENABLE, IBREAKA0, DBREAKA0, DBREAKC0 uint32
	ICOUNT, ICOUNTLEVEL, DEBUGCAUSE, DDR       uint32
	Counting                                   bool // ICOUNT grows when the instruction at PC is done

	// Registers of the region protection (attribute of each 512 MB). They can be written and read
	// back but have no effect: no region is ever denied.
	ITLB, DTLB [8]uint8

	// Cycles counts from power-on: one for each instruction, and whatever the
	// chip adds to let time pass. CCOUNT is its low half plus CCOUNTOffset.
	Cycles       uint64
	CCOUNTOffset uint32
	// TimerAt is the value of Cycles at which CCOUNT reaches CCOMPARE0 next.
	TimerAt uint64

	Lines   uint32 // levels of the external interrupt lines
	Waiting bool   // in WAITI, until an interrupt is taken
}

// Reset puts the CPU into the state after a reset (core configuration of the
// LX106: full reset, static vector 1). Cycles goes on; CCOUNT starts at 0.
func (c *CPU) Reset() {
	c.State = State{
		PC:           0x40000080,
		VECBASE:      0x40000000,
		PS:           PSExcM | PSIntLevel,
		Cycles:       c.Cycles,
		CCOUNTOffset: -uint32(c.Cycles),
		TimerAt:      c.Cycles + 1<<32,
		Lines:        c.Lines,
		INTERRUPT:    c.Lines & levelInterrupts,
	}
	for i := range c.ITLB {
		c.ITLB[i], c.DTLB[i] = 2, 2 // bypass the cache, all access
	}
	c.next = 0
}
