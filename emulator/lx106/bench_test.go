package lx106

import "testing"

// BenchmarkRun runs a loop as compiled code has them: loads, stores and
// rotations of a hash, a call of a function with a stack frame, a literal.
func BenchmarkRun(b *testing.B) {
	code := make([]byte, 0x1000)
	data := make([]byte, 0x4000)
	p := newProgram(0x40100000)
	p.at(0x100)
	// a2 data, a3 index, a4..a7 the hash, a8 constant
	p.i(movi(3, 0))
	loop := p.pc()
	p.i(extui(9, 3, 0, 6), rrr(opcAddx4, 9, 9, 2))
	p.i(l32i(10, 9, 0), l32i(11, 9, 4))
	p.i(rrr(opcXor, 10, 10, 11), ssai(7), rrr(opcSrc, 12, 10, 10))
	p.i(addN(4, 4, 12), rrr(opcAnd, 13, 5, 6), rrr(opcXor, 13, 13, 7), rrr(opcAdd, 4, 4, 13))
	p.i(l32r(p.pc(), 8, 0x40100000), rrr(opcAdd, 4, 4, 8))
	p.i(s32i(4, 9, 0), movN(7, 6), movN(6, 5), movN(5, 4))
	call := p.pc()
	p.i(call0(call, 0x40100200))
	p.i(addiN(3, 3, 1))
	p.i(j(p.pc(), loop))
	p.at(0x200)
	p.i(addi(1, 1, -16), s32i(0, 1, 12), l8ui(9, 2, 3), bbci(p.pc()+9, 9, 0, p.pc()+9+3+2))
	p.i(addiN(9, 9, 1), s8i(9, 2, 3), l32i(0, 1, 12), addi(1, 1, 16), retN())
	copy(code, p.bytes)

	c := New(nothing{})
	c.SetWindows(
		Window{Base: 0x40100000, Data: code, Load: 4, Store: 4, Fetch: true},
		Window{Base: 0x3FFE8000, Data: data, Load: 7, Store: 7},
	)
	c.PC, c.A[1], c.A[2] = 0x40100100, 0x3FFEA000, 0x3FFE8000
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
	b.ReportMetric(float64(c.Cycles-start)/b.Elapsed().Seconds()/1e6, "Minstr/s")
}
