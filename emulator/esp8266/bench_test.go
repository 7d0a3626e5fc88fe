package esp8266

import "testing"

// BenchmarkRun tells how fast a program runs on the whole chip: a loop that loads,
// adds and stores, with a timer's interrupt every 100 us.
func BenchmarkRun(b *testing.B) {
	p := new(code)
	isr := handler(p, regTimers+0x0C, 1)
	start := p.here()
	p.store(regWatchdog, 0).
		call(romAddr("ets_isr_attach"), frc1Interrupt, isr, 0).
		call(romAddr("ets_isr_unmask"), 1<<frc1Interrupt).
		store(regEdgeInterrupts, 1<<1).
		store(regTimers, CyclesPerSecond/10_000).
		store(regTimers+8, timerEnable|timerReload).
		set(2, dramBase+0x200)
	again := p.here()
	p.emit(l32i(3, 2, 0), addi(3, 3, 1), s32i(3, 2, 0)).jump(again)
	c := New(NewFlash(FlashSize))
	if err := c.Flash.Put(0, p.image()); err != nil {
		b.Fatal(err)
	}
	c.PowerOn()
	c.CPU.PC = start
	const slice = 1_000_000
	for b.Loop() {
		if e := c.Run(c.CPU.Cycles + slice); e != EventBudget {
			b.Fatal(e)
		}
	}
	b.ReportMetric(slice*float64(b.N)/b.Elapsed().Seconds()/1e6, "MIPS")
}
