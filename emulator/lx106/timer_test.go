package lx106

import "testing"

func TestCCOUNTIsCyclesFromWhereItWasSet(t *testing.T) {
	c, p := newMachine()
	p.i(wsr(2, srCCOUNT), nop, rsr(3, srCCOUNT), rsr(4, srCCOUNT), xsr(5, srCCOUNT), rsr(6, srCCOUNT))
	p.start(c)
	c.A[2], c.A[5] = 0xFFFFFFFE, 100
	c.Run(c.Cycles + 6)
	if c.A[3] != 0 || c.A[4] != 1 || c.A[5] != 2 || c.A[6] != 101 {
		t.Errorf("read %#x, %#x, exchanged %#x, then read %#x", c.A[3], c.A[4], c.A[5], c.A[6])
	}
	c.Cycles += 1000
	if c.CCOUNT() != 1101 {
		t.Errorf("CCOUNT %d after a jump ahead", c.CCOUNT())
	}
}

// armed is a machine that jumps on the spot with CCOMPARE0 so many cycles ahead.
func armed(ahead uint32) *CPU {
	c, p := newMachine()
	p.i(wsr(2, srCCOMPARE0), nop, j(p.pc+6, p.pc+6))
	p.pc = codeBase + vectorKernel
	p.i(nop, nop)
	p.start(c)
	c.writeSpecial(srCCOUNT, 0xFFFFFFF0)
	c.A[2] = c.CCOUNT() + 1 + ahead
	c.Run(c.Cycles + 1)
	return c
}

func TestTimerFiresWhenCCOUNTReachesCCOMPARE(t *testing.T) {
	c := armed(50) // CCOUNT wraps around on the way
	c.Run(c.Cycles + 49)
	if c.INTERRUPT != 0 {
		t.Fatal("it fired too early")
	}
	c.INTENABLE = timerInterrupt
	c.Run(c.Cycles + 2)
	if c.INTERRUPT != timerInterrupt || c.EPC[1] != codeAt+6 || c.EXCCAUSE != uint32(Level1Interrupt) {
		t.Fatalf("INTERRUPT %#x, EPC1 %#x", c.INTERRUPT, c.EPC[1])
	}
}

func TestTimerFiresWhenTimeJumpsOverIt(t *testing.T) {
	c := armed(50)
	c.Cycles += 1000
	c.Run(c.Cycles + 1)
	if c.INTERRUPT != timerInterrupt {
		t.Fatal("it did not fire")
	}
	c.INTERRUPT = 0
	c.Cycles += 1<<32 - 2000
	c.Run(c.Cycles + 1)
	if c.INTERRUPT != 0 {
		t.Fatal("it fired before CCOUNT came round")
	}
	c.Cycles += 5 << 32
	c.Run(c.Cycles + 1)
	if c.INTERRUPT != timerInterrupt || c.TimerAt <= c.Cycles {
		t.Fatal("it did not fire after some turns")
	}
}

func TestTimerFiresWhenTheBusLetsTimePass(t *testing.T) {
	bus := &device{}
	c, p := newDeviceMachine(bus)
	p.i(s32i(2, 3, 0), nop, nop)
	p.start(c)
	c.INTENABLE, c.A[3] = timerInterrupt, deviceBase
	c.writeSpecial(srCCOMPARE0, c.CCOUNT()+500)
	bus.onStore = func(uint32, int, uint32) { c.Cycles += 1000 }
	c.Run(c.Cycles + 1002)
	if c.EPC[1] != codeAt+3 {
		t.Fatalf("EPC1 %#x", c.EPC[1])
	}
}

func TestWritingCCOMPAREClearsTheInterrupt(t *testing.T) {
	c := armed(5)
	c.Run(c.Cycles + 10)
	if c.INTERRUPT != timerInterrupt {
		t.Fatal("it did not fire")
	}
	c.writeSpecial(srINTCLEAR, timerInterrupt)
	if c.INTERRUPT != timerInterrupt {
		t.Fatal("INTCLEAR cleared it")
	}
	c.writeSpecial(srCCOMPARE0, c.CCOUNT())
	c.Run(c.Cycles + 10)
	if c.INTERRUPT != 0 || c.TimerAt < 1<<32 {
		t.Fatal("a match now counts as one now, not a turn ahead")
	}
}
