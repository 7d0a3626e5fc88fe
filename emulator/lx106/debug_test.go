package lx106

import "testing"

// machineAt is a machine with a program, in user mode at a level, whose debug vector waits.
func machineAt(level uint32, codes ...code) *CPU {
	c, p := newMachine()
	p.i(codes...)
	p.pc = codeBase + vectorDebug
	p.i(j(p.pc, p.pc))
	p.start(c)
	c.PS = PSUM | level
	return c
}

// broken checks that c is at the debug vector, for a cause, because of the instruction at pc.
func broken(t *testing.T, c *CPU, pc, cause uint32) {
	t.Helper()
	if c.PC != codeBase+vectorDebug || c.EPC[2] != pc || c.DEBUGCAUSE != cause || c.PS&PSIntLevel != levelDebug {
		t.Errorf("PC %#x, EPC2 %#x, DEBUGCAUSE %#x, PS %#x; not the exception at %#x for %#x",
			c.PC, c.EPC[2], c.DEBUGCAUSE, c.PS, pc, cause)
	}
}

func TestAnInstructionBreakpoint(t *testing.T) {
	c := machineAt(1, nop, breakI(0, 0))
	c.IBREAKENABLE, c.IBREAKA0 = 1, codeAt+3
	c.Run(c.Cycles + 1)
	if c.PC != codeAt+3 {
		t.Fatalf("PC %#x", c.PC)
	}
	c.Run(c.Cycles + 1)
	broken(t, c, codeAt+3, debugInstruction) // and not BREAK's
	for _, c := range []*CPU{machineAt(2, nop, nop), machineAt(1, nop, nop)} {
		c.IBREAKENABLE, c.IBREAKA0 = c.PS&PSIntLevel-1, codeAt // masked by the level, or switched off
		c.Run(c.Cycles + 2)
		if c.PC != codeAt+6 {
			t.Errorf("level %d: PC %#x", c.PS&PSIntLevel, c.PC)
		}
	}
}

func TestTheCountOfInstructions(t *testing.T) {
	c := machineAt(0, nop, rsil(2, 1), nop, rsil(2, 0), nop, nop)
	c.ICOUNT, c.ICOUNTLEVEL = ^uint32(3), 1 // three more: the third nop is not counted
	c.Run(c.Cycles + 6)
	broken(t, c, codeAt+15, debugCount)
	if c.ICOUNT != ^uint32(0) {
		t.Errorf("ICOUNT %#x", c.ICOUNT)
	}
	c = machineAt(0, syscall)
	c.ICOUNT, c.ICOUNTLEVEL = 5, 1
	c.Run(c.Cycles + 3)
	if c.ICOUNT != 5 {
		t.Errorf("an instruction that causes an exception was counted: %d", c.ICOUNT)
	}
}

func TestADataBreakpoint(t *testing.T) {
	const load, store, both = dbreakLoad, dbreakStore, dbreakLoad | dbreakStore
	for _, test := range []struct {
		control, at uint32 // DBREAKC0, DBREAKA0
		addr        uint32
		access      code
		hit         bool
	}{
		{load | 0x3F, 0x7F, 0x7F, l8ui(3, 2, 0), true},
		{load | 0x3F, 0x7D, 0x7C, l32i(3, 2, 0), true},   // it overlaps
		{load | 0x3F, 0x80, 0x7C, l32i(3, 2, 0), false},  // the next byte
		{load | 0x3F, 0x7B, 0x7C, l32iN(3, 2, 0), false}, // the one before
		{load | 0x20, 0x40, 0x5F, l8ui(3, 2, 0), true},   // a range of 32 bytes
		{load | 0x20, 0x40, 0x60, l16ui(3, 2, 0), false},
		{load | 0x35, 0x52, 0x5E, l16si(3, 2, 0), true}, // the mask is cut behind its first 0: 16 bytes
		{load | 0x3F, 0x40, 0x40, s8i(3, 2, 0), false},
		{store | 0x3F, 0x40, 0x40, s8i(3, 2, 0), true},
		{store | 0x3E, 0x40, 0x40, s16i(3, 2, 0), true},
		{store | 0x3C, 0x40, 0x40, s32iN(3, 2, 0), true},
		{store | 0x3C, 0x40, 0x40, l32i(3, 2, 0), false},
		{both | 0x3C, 0x40, 0x40, s32i(3, 2, 0), true},
		{0x3C, 0x40, 0x40, s32i(3, 2, 0), false},
	} {
		c := machineAt(1, test.access)
		c.DBREAKC0, c.DBREAKA0, c.A[2] = test.control, dataBase+test.at, dataBase+test.addr
		c.Run(c.Cycles + 1)
		if hit := c.DEBUGCAUSE == debugData && c.EPC[2] == codeAt; hit != test.hit {
			t.Errorf("DBREAKC0 %#x at %#x, access %#x to %#x: hit is %v", test.control, test.at, test.access.bits, test.addr, hit)
		}
	}
	c := machineAt(1, l32i(3, 2, 0))
	c.DBREAKC0, c.DBREAKA0, c.A[2] = load, dataBase, dataBase+1
	c.Run(c.Cycles + 1)
	if c.EXCCAUSE != uint32(LoadStoreAlignment) {
		t.Errorf("cause %d, not that the access is not aligned", c.EXCCAUSE)
	}
}
