package lx106

import "testing"

// expect runs for n cycles and checks where the program then is.
func expect(t *testing.T, c *CPU, n uint64, pc uint32) {
	t.Helper()
	if stop := c.Run(c.Cycles + n); stop != StopBudget {
		t.Fatalf("stopped for %d at %#x", stop, c.PC)
	}
	if c.PC != pc {
		t.Fatalf("after %d instructions at %#x, should be at %#x", n, c.PC, pc)
	}
}

// loop is a machine that jumps on the spot, and returns from each exception at
// once.
func loop() *CPU {
	c, p := newMachine()
	p.i(j(p.pc, p.pc))
	for _, vector := range []uint32{vectorKernel, vectorUser} {
		p.pc = codeBase + vector
		p.i(rfe)
	}
	p.pc = codeBase + vectorNMI
	p.i(rfi(3))
	p.start(c)
	return c
}

func TestLevelInterruptLastsAsLongAsItsLine(t *testing.T) {
	c := loop()
	c.INTENABLE = 1 << 3
	expect(t, c, 1, codeAt)
	c.SetInterrupt(3, true)
	expect(t, c, 1, codeAt) // it came, and its RFE has been executed
	if c.EXCCAUSE != uint32(Level1Interrupt) || c.EPC[1] != codeAt || c.INTERRUPT != 1<<3 {
		t.Fatalf("EXCCAUSE %d, EPC1 %#x, INTERRUPT %#x", c.EXCCAUSE, c.EPC[1], c.INTERRUPT)
	}
	c.EPC[1] = 0
	expect(t, c, 1, codeAt) // comes again
	if c.EPC[1] != codeAt {
		t.Fatal("it did not come again with the line still high")
	}
	c.EPC[1] = 0
	c.SetInterrupt(3, false)
	expect(t, c, 5, codeAt)
	if c.EPC[1] != 0 || c.INTERRUPT != 0 {
		t.Fatal("it came with the line low")
	}
}

func TestEdgeInterruptIsLatchedUntilCleared(t *testing.T) {
	c := loop()
	c.SetInterrupt(9, true)
	c.SetInterrupt(9, false)
	if c.INTERRUPT != 1<<9 {
		t.Fatalf("INTERRUPT %#x", c.INTERRUPT)
	}
	c.writeSpecial(srINTCLEAR, 1<<9)
	c.SetInterrupt(9, true)
	c.writeSpecial(srINTCLEAR, 1<<9)
	c.SetInterrupt(9, true) // no edge
	if c.INTERRUPT != 0 {
		t.Fatalf("INTERRUPT %#x without a rising edge", c.INTERRUPT)
	}
}

func TestInternalInterruptsHaveNoLine(t *testing.T) {
	c := loop()
	for n := range 32 {
		c.SetInterrupt(n, true)
	}
	if c.INTERRUPT != 0x7F3F {
		t.Fatalf("INTERRUPT %#x", c.INTERRUPT)
	}
}

func TestInterruptWaitsForItsLevelAndItsEnable(t *testing.T) {
	for _, held := range []func(*CPU){
		func(c *CPU) { c.INTENABLE = 0 },
		func(c *CPU) { c.PS = 1 },
		func(c *CPU) { c.PS = PSExcM },
	} {
		c := loop()
		c.INTENABLE = 1
		held(c)
		c.SetInterrupt(0, true)
		expect(t, c, 10, codeAt)
		if c.EPC[1] != 0 {
			t.Fatal("it was taken")
		}
		c.INTENABLE, c.PS = 1, 0
		expect(t, c, 1, codeAt)
		if c.EPC[1] != codeAt {
			t.Fatal("it was not taken when let in")
		}
	}
}

func TestInterruptIsTakenRightAfterTheInstructionThatLetsItIn(t *testing.T) {
	for name, let := range map[string][]code{
		"WSR PS":        {movi(2, 0), wsr(2, srPS)},
		"RSIL":          {nop, rsil(2, 0)},
		"WSR INTENABLE": {movi(2, 0xFF), wsr(2, srINTENABLE)},
		"XSR INTENABLE": {movi(2, 0xFF), xsr(2, srINTENABLE)},
		"RFE":           {nop, rfe},
		"RFI":           {nop, rfi(3)},
		"WSR INTSET":    {movi(2, softwareInterrupt), wsr(2, srINTERRUPT)},
	} {
		c, p := newMachine()
		p.i(let...)
		after := p.pc
		p.pc = codeBase + vectorKernel
		p.i(nop)
		p.start(c)
		c.EPC[1], c.EPC[3] = after, after // where RFE and RFI go on
		c.SetInterrupt(1, name != "WSR INTSET")
		c.INTENABLE = 0xFF
		switch name {
		case "WSR PS", "RSIL", "RFI":
			c.PS = 2
		case "RFE":
			c.PS = PSExcM
		case "WSR INTSET":
		default:
			c.INTENABLE = 0
		}
		c.Run(c.Cycles + 3)
		if c.PS&PSExcM == 0 || c.EPC[1] != after || c.EXCCAUSE != uint32(Level1Interrupt) {
			t.Errorf("%s: PS %#x, EPC1 %#x, should be %#x", name, c.PS, c.EPC[1], after)
		}
	}
}

func TestNMIInterruptsWhateverRuns(t *testing.T) {
	c := loop()
	c.PS = PSExcM | PSUM | PSIntLevel
	c.SetInterrupt(14, true)
	expect(t, c, 1, codeAt) // RFI has been executed
	if c.EPC[3] != codeAt || c.EPS[3] != PSExcM|PSUM|PSIntLevel || c.PS != c.EPS[3] || c.INTERRUPT != 0 {
		t.Fatalf("EPC3 %#x, EPS3 %#x, PS %#x, INTERRUPT %#x", c.EPC[3], c.EPS[3], c.PS, c.INTERRUPT)
	}
	c.EPC[3] = 0
	expect(t, c, 3, codeAt)
	if c.EPC[3] != 0 {
		t.Fatal("it came twice for one edge")
	}
}

// A level 1 handler is interrupted by a breakpoint's, that by an NMI's, and all
// return.
func TestLevelsNest(t *testing.T) {
	c, p := newMachine()
	p.i(nop, nop)
	p.pc = codeBase + vectorUser
	p.i(breakI(0, 0), rfe)
	p.pc = codeBase + vectorDebug
	p.i(nop, nop, rfi(2))
	p.pc = codeBase + vectorNMI
	p.i(nop, rfi(3))
	p.start(c)
	c.PS, c.INTENABLE = PSUM, 1

	expect(t, c, 1, codeAt+3)
	c.SetInterrupt(0, true)
	expect(t, c, 1, codeBase+vectorDebug)
	c.SetInterrupt(0, false)
	if c.PS != PSUM|PSExcM|2 {
		t.Fatalf("PS %#x", c.PS)
	}
	c.SetInterrupt(14, true)
	expect(t, c, 1, codeBase+vectorNMI+3)
	if c.PS != PSUM|PSExcM|3 || c.EPC[3] != codeBase+vectorDebug {
		t.Fatalf("PS %#x, EPC3 %#x", c.PS, c.EPC[3])
	}
	expect(t, c, 1, codeBase+vectorDebug)
	c.EPC[2] += 3 // go on behind the BREAK
	expect(t, c, 3, codeBase+vectorUser+3)
	if c.PS != PSUM|PSExcM {
		t.Fatalf("PS %#x", c.PS)
	}
	expect(t, c, 1, codeAt+3)
	if c.PS != PSUM {
		t.Fatalf("PS %#x", c.PS)
	}
}

func TestExceptionInAHandlerIsDouble(t *testing.T) {
	c, p := newMachine()
	p.i(ill)
	p.pc = codeBase + vectorKernel
	p.i(nop, l32i(2, 3, 0), rfe)
	p.pc = codeBase + vectorDouble
	p.i(rfde)
	p.start(c)
	c.A[3] = dataBase + 1
	expect(t, c, 3, codeBase+vectorDouble)
	if c.EPC[1] != codeAt || c.DEPC != codeBase+vectorKernel+3 || c.EXCVADDR != dataBase+1 ||
		c.EXCCAUSE != uint32(LoadStoreAlignment) {
		t.Fatalf("EPC1 %#x, DEPC %#x, EXCVADDR %#x, EXCCAUSE %d", c.EPC[1], c.DEPC, c.EXCVADDR, c.EXCCAUSE)
	}
	c.A[3]--
	expect(t, c, 2, codeBase+vectorKernel+6)
	expect(t, c, 1, codeAt)
	if c.PS != 0 {
		t.Fatalf("PS %#x", c.PS)
	}
}

func TestExceptionFromOutsideGoesOnAtTheVector(t *testing.T) {
	c := loop()
	c.EXCVADDR = 7
	c.Exception(LoadProhibited, 0x1234)
	if c.PC != codeBase+vectorKernel || c.EPC[1] != codeAt || c.EXCVADDR != 0x1234 || c.EXCCAUSE != 28 {
		t.Fatalf("PC %#x, EPC1 %#x, EXCVADDR %#x, EXCCAUSE %d", c.PC, c.EPC[1], c.EXCVADDR, c.EXCCAUSE)
	}
	expect(t, c, 1, codeAt)
	c.Exception(IllegalInstruction, 0x5678)
	if c.EXCVADDR != 0x1234 {
		t.Fatal("EXCVADDR changed for a cause that is not of memory")
	}
}

func TestWAITIStopsUntilAnInterrupt(t *testing.T) {
	c, p := newMachine()
	p.i(waiti(0), nop)
	p.start(c)
	c.PS, c.INTENABLE = 3, 1
	for range 2 { // and stays so, however often it is run
		if stop := c.Run(c.Cycles + 100); stop != StopWaiti || c.PC != codeAt+3 || c.Cycles != 1 || c.PS != 0 {
			t.Fatalf("stopped for %d at %#x after %d, PS %#x", stop, c.PC, c.Cycles, c.PS)
		}
	}
	c.SetInterrupt(1, true) // not enabled
	if stop := c.Run(c.Cycles + 100); stop != StopWaiti {
		t.Fatalf("stopped for %d", stop)
	}
	snapshot := c.State
	c.SetInterrupt(0, true)
	c.Run(c.Cycles + 1)
	if c.EPC[1] != codeAt+3 || c.Waiting {
		t.Fatalf("EPC1 %#x", c.EPC[1])
	}
	c.State = snapshot
	if stop := c.Run(c.Cycles + 100); stop != StopWaiti {
		t.Fatalf("the snapshot does not wait any more, stopped for %d", stop)
	}
}

func TestWAITIDoesNotStopWithAnInterruptPending(t *testing.T) {
	c, p := newMachine()
	p.i(waiti(0))
	p.start(c)
	c.PS, c.INTENABLE = 3, 1
	c.SetInterrupt(0, true)
	expect(t, c, 1, codeAt+3)
	expect(t, c, 1, codeBase+vectorDouble) // nothing but zeros at the kernel vector
	if c.EPC[1] != codeAt+3 {
		t.Fatalf("EPC1 %#x", c.EPC[1])
	}
}

func TestHaltStopsBehindTheInstruction(t *testing.T) {
	bus := &device{}
	c, p := newDeviceMachine(bus)
	p.i(s32i(2, 3, 0), nop)
	p.start(c)
	c.A[3] = deviceBase
	bus.onStore = func(uint32, int, uint32) { c.Halt() }
	if stop := c.Run(c.Cycles + 100); stop != StopHalt || c.PC != codeAt+3 || c.Cycles != 1 {
		t.Fatalf("stopped for %d at %#x after %d", stop, c.PC, c.Cycles)
	}
	expect(t, c, 1, codeAt+6)
}

func TestSIMCALLStopsAsOftenAsItIsRun(t *testing.T) {
	c, p := newMachine()
	p.i(nop, simcall, nop)
	p.start(c)
	for range 2 {
		if stop := c.Run(c.Cycles + 100); stop != StopSimcall || c.PC != codeAt+3 || c.Cycles != 1 {
			t.Fatalf("stopped for %d at %#x after %d", stop, c.PC, c.Cycles)
		}
	}
	c.PC += 3
	expect(t, c, 1, codeAt+9)
}

func TestAHookStopsWhereThereIsNoSIMCALL(t *testing.T) {
	c, p := newMachine()
	p.i(nop, nop, nop)
	p.start(c)
	expect(t, c, 1, codeAt+3) // it has been decoded
	c.PC = codeAt
	c.SetHooks(codeAt + 3)
	for range 2 {
		if stop := c.Run(c.Cycles + 100); stop != StopSimcall || c.PC != codeAt+3 {
			t.Fatalf("stopped for %d at %#x", stop, c.PC)
		}
	}
	c.PassHook()
	if c.PC != codeAt+6 {
		t.Fatalf("after the hooked instruction at %#x", c.PC)
	}
	c.PC = codeAt
	if stop := c.Run(c.Cycles + 100); stop != StopSimcall || c.PC != codeAt+3 {
		t.Errorf("after it was passed once, stopped for %d at %#x", stop, c.PC)
	}
	c.SetHooks()
	expect(t, c, 1, codeAt+6)
}

func TestResetState(t *testing.T) {
	c := loop()
	c.Run(100)
	c.SetInterrupt(2, true)
	c.Reset()
	if c.PC != 0x40000080 || c.VECBASE != 0x40000000 || c.PS != 0x1F {
		t.Errorf("PC %#x, VECBASE %#x, PS %#x", c.PC, c.VECBASE, c.PS)
	}
	if c.Cycles != 100 || c.CCOUNT() != 0 || c.INTERRUPT != 1<<2 {
		t.Errorf("Cycles %d, CCOUNT %d, INTERRUPT %#x", c.Cycles, c.CCOUNT(), c.INTERRUPT)
	}
}

func TestTraceSeesEachInstructionOnceAndMayMoveOn(t *testing.T) {
	c, p := newMachine()
	p.i(movi(2, 1), ill, movi(3, 2), nopN())
	p.start(c)
	c.A[2], c.A[3] = 0, 0
	var seen []uint32
	c.Trace = func(pc uint32) {
		seen = append(seen, pc-codeAt)
		if pc == codeAt+3 {
			c.PC += 3 // skip the illegal instruction
		}
	}
	expect(t, c, 3, codeAt+11)
	if len(seen) != 3 || seen[0] != 0 || seen[1] != 3 || seen[2] != 9 {
		t.Errorf("traced %v", seen)
	}
	if c.A[2] != 1 || c.A[3] != 2 || c.EXCCAUSE != 0 {
		t.Errorf("a2 %d, a3 %d, EXCCAUSE %d", c.A[2], c.A[3], c.EXCCAUSE)
	}
}
