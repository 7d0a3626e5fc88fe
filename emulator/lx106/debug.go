package lx106

import "math/bits"

// The debug option: one breakpoint for instructions, one for data, and a count of instructions, all
// of which cause a debug exception below level 2. Where the ISA leaves it open, as QEMU's LX106 does.

// Bits of DBREAKC0: what it watches, and how much of the address counts.
const (
	dbreakStore = 1 << 31
	dbreakLoad  = 1 << 30
	dbreakMask  = 0x3F
)

// debugging reports whether there is something to look for before each instruction.
func (c *CPU) debugging() bool {
	return (c.IBREAKENABLE|c.ICOUNTLEVEL)|c.DBREAKC0&(dbreakStore|dbreakLoad) != 0
}

// debug takes the debug exception that comes instead of the instruction at PC, if there is one, or
// counts that instruction.
func (c *CPU) debug() {
	cause, counts := uint32(0), c.level() < c.ICOUNTLEVEL
	switch {
	case counts && c.ICOUNT == ^uint32(0):
		cause, counts = debugCount, false
	case c.IBREAKENABLE != 0 && c.PC == c.IBREAKA0:
		cause = debugInstruction
	case c.watched():
		cause = debugData
	}
	if cause != 0 && c.level() < levelDebug {
		c.debugException(cause)
		c.debug() // for the count: the handler's first instruction may be counted
		return
	}
	c.Counting = counts
}

// count counts the instruction that has been executed. One that caused an exception has not.
func (c *CPU) count() {
	if c.Counting {
		c.ICOUNT++
		c.Counting = false
	}
}

// watched reports whether the instruction at PC is about to load or store what DBREAK watches.
func (c *CPU) watched() bool {
	if c.DBREAKC0&(dbreakStore|dbreakLoad) == 0 {
		return false
	}
	word, cause, _ := c.fetch(c.PC)
	if cause != OK {
		return false
	}
	in := decode(c.PC, word)
	addr, n, kind := c.A[in.s&15]+in.imm, uint32(4), uint32(dbreakLoad)
	switch in.op {
	case opL32i, opL32iN:
	case opL16ui, opL16si:
		n = 2
	case opL8ui:
		n = 1
	case opL32r:
		addr = c.literalAt(in.imm, c.PC)
	case opS32i, opS32iN:
		kind = dbreakStore
	case opS16i:
		n, kind = 2, dbreakStore
	case opS8i:
		n, kind = 1, dbreakStore
	default:
		return false
	}
	if c.DBREAKC0&kind == 0 || addr%n != 0 { // its exception comes first
		return false
	}
	mask := c.DBREAKC0 | ^uint32(dbreakMask)
	mask = ^uint32(0) << (32 - bits.LeadingZeros32(^mask)) // what is behind its first 0 does not count
	from := c.DBREAKA0 & mask
	return addr <= from|^mask && addr+n-1 >= from
}
