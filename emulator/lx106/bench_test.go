package lx106

import "testing"

// BenchmarkRun runs a loop as compiled code has them: loads, stores and
// rotations of a hash, a call of a function with a stack frame, a literal.
func BenchmarkRun(b *testing.B) {
	c, p := newMachine()
	p.start(c)
	// a2: data, a3: index, a4 to a7: the hash.
	loop := p.pc
	p.i(extui(9, 3, 0, 6), rrr(opcAddx4, 9, 9, 2))
	p.i(l32i(10, 9, 0), l32i(11, 9, 4))
	p.i(rrr(opcXor, 10, 10, 11), ssai(7), rrr(opcSrc, 12, 10, 10))
	p.i(addN(4, 4, 12), rrr(opcAnd, 13, 5, 6), rrr(opcXor, 13, 13, 7), rrr(opcAdd, 4, 4, 13))
	p.i(l32r(p.pc, 8, codeAt-0x100), rrr(opcAdd, 4, 4, 8))
	p.i(s32i(4, 9, 0), movN(7, 6), movN(6, 5), movN(5, 4))
	p.i(call0(p.pc, codeAt+0x200))
	p.i(addiN(3, 3, 1))
	p.i(j(p.pc, loop))
	p.pc = codeAt + 0x200
	p.i(addi(1, 1, -16), s32i(0, 1, 12), l8ui(9, 2, 3))
	p.i(bbci(p.pc, 9, 0, p.pc+5), addiN(9, 9, 1))
	p.i(s8i(9, 2, 3), l32i(0, 1, 12), addi(1, 1, 16), retN())
	copy(p.memory[codeAt-0x100-codeBase:], "\x79\x37\x9E\x5A")
	c.A[1], c.A[2] = dataBase+0x800, dataBase
	b.ResetTimer()
	start := c.Cycles
	for b.Loop() {
		if stop := c.Run(c.Cycles + 1_000_000); stop != StopBudget {
			b.Fatal("stopped:", stop)
		}
	}
	if c.EXCCAUSE != 0 || c.EPC[1] != 0 {
		b.Fatalf("exception %d at %#x", c.EXCCAUSE, c.EPC[1])
	}
	if c.A[3] == 0 || c.A[4] == 0 {
		b.Fatal("the loop did nothing")
	}
	b.ReportMetric(float64(c.Cycles-start)/b.Elapsed().Seconds()/1e6, "Minstr/s")
}
