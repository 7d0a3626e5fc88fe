package esp8266

import "testing"

// etsProgram makes a program with two tasks that note at result what they are given, and
// starts them.
func etsProgram(events func(p *code)) *code {
	p := new(code)
	task := func(at uint32) uint32 {
		addr := p.here()
		p.emit(l32i(3, 2, 0), l32i(4, 2, 4)). // the event
							set(12, at).emit(s32i(3, 12, 0), s32i(4, 12, 4)).
							set(12, result).emit(l32i(13, 12, 0), addi(13, 13, 1), s32i(13, 12, 0)).
							set(12, at+8).emit(s32i(13, 12, 0), retOp) // after how many it came
		return addr
	}
	low, high := task(result+0x10), task(result+0x20)
	p.start = p.here()
	p.call(romAddr("ets_task"), low, 3, result+0x40, 2)
	p.call(romAddr("ets_task"), high, 9, result+0x60, 2)
	events(p)
	p.call(romAddr("ets_run"))
	return p
}

func TestTasksRunByPriority(t *testing.T) {
	m := newMachine(t, etsProgram(func(p *code) {
		p.call(romAddr("ets_post"), 3, 7, 8).call(romAddr("ets_post"), 9, 1, 2)
	}))
	m.mustStore(result, 0)
	m.run(100_000, EventIdle)
	want := [3]uint32{7, 8, 2}
	if got := [3]uint32{m.word(result + 0x10), m.word(result + 0x14), m.word(result + 0x18)}; got != want {
		t.Errorf("the task of low priority got %v, want %v", got, want)
	}
	want = [3]uint32{1, 2, 1}
	if got := [3]uint32{m.word(result + 0x20), m.word(result + 0x24), m.word(result + 0x28)}; got != want {
		t.Errorf("the task of high priority got %v, want %v", got, want)
	}
}

func TestAFullQueueTakesNoMoreEvents(t *testing.T) {
	m := newMachine(t, etsProgram(func(p *code) {
		for i := range uint32(3) {
			p.call(romAddr("ets_post"), 3, i, 0).set(12, result+0x80+4*i).emit(s32i(2, 12, 0))
		}
	}))
	m.mustStore(result, 0)
	m.run(100_000, EventIdle)
	for i, want := range [3]uint32{0, 0, 1} {
		if got := m.word(result + 0x80 + uint32(4*i)); got != want {
			t.Errorf("ets_post %d returned %d, want %d", i, got, want)
		}
	}
	if n, last := m.word(result), m.word(result+0x10); n != 2 || last != 1 {
		t.Errorf("%d events came, the last %d; want 2 and 1", n, last)
	}
}

func TestAnInterruptsEventRunsItsTask(t *testing.T) {
	p := etsProgram(func(*code) {})
	run := p.start
	isr := p.here()
	p.set(12, macIntClear).set(13, macTimerFired).emit(s32i(13, 12, 0)).
		emit(addi(1, 1, 0xF0), s32i(0, 1, 0)).call(romAddr("ets_post"), 9, 5, 6).
		emit(l32i(0, 1, 0), addi(1, 1, 16), retOp)
	p.start = p.here()
	p.call(romAddr("ets_isr_attach"), macInterrupt, isr, 0).
		store(macIntEnable, macTimerFired).
		store(macTarget, 100_000).store(macTargetHigh, 0).store(macTimer, macTimerArmed).
		call(romAddr("ets_isr_unmask"), 1<<macInterrupt).jump(run)
	m := newMachine(t, p)
	m.mustStore(result, 0)
	m.run(CyclesPerSecond, EventIdle)
	if n, signal := m.word(result), m.word(result+0x20); n != 1 || signal != 5 {
		t.Errorf("%d events came, with signal %d; want one, 5", n, signal)
	}
}

func TestAHigherInterruptComesBetween(t *testing.T) {
	// The function of interrupt 9 raises and waits for 10, whose function notes that.
	p := new(code)
	inner := handler(p, regTimers+0x2C, 1)
	outer := p.here()
	p.set(12, regTimers+0x30).set(13, 1).emit(s32i(13, 12, 0))
	p.store(regTimers+0x20, 0)
	for range 40 {
		p.emit(addi(13, 13, 0))
	}
	p.set(12, result).emit(l32i(13, 12, 0)).set(12, result+8).emit(s32i(13, 12, 0), retOp)
	p.start = p.here()
	p.call(romAddr("ets_isr_attach"), frc1Interrupt, outer, 0).
		call(romAddr("ets_isr_attach"), frc2Interrupt, inner, 0).
		store(regEdgeInterrupts, 1<<1|1<<2).
		store(regTimers+0x28, timerEnable).
		call(romAddr("ets_isr_unmask"), 1<<frc1Interrupt|1<<frc2Interrupt).
		store(regTimers+8, timerEnable).store(regTimers, 1000).
		loop()
	m := newMachine(t, p)
	m.mustStore(result, 0)
	m.mustStore(result+8, 99)
	m.run(50_000, EventBudget)
	if n := m.word(result + 8); n != 1 {
		t.Errorf("while interrupt 9 was served, 10 came %d times, want once", n)
	}
	if m.CPU.INTENABLE != 1<<frc1Interrupt|1<<frc2Interrupt {
		t.Errorf("INTENABLE is 0x%x afterwards", m.CPU.INTENABLE)
	}
}

func TestTheROMPrintsThroughTheProgram(t *testing.T) {
	p := new(code)
	count := p.here() // counts characters, and keeps the last
	p.set(12, result).emit(l32i(13, 12, 0), addi(13, 13, 1), s32i(13, 12, 0), s32i(2, 12, 4), retOp)
	p.start = p.here()
	p.call(romAddr("ets_install_putc1"), count).
		call(romAddr("ets_printf"), result+0x40, 42).set(12, result+8).emit(s32i(2, 12, 0), s32i(1, 12, 4))
	p.exit()
	m := newMachine(t, p)
	m.put(result+0x40, "<%d>")
	m.mustStore(result, 0)
	sp := m.CPU.A[1]
	m.serial.Reset()
	m.run(100_000, EventStopped)
	if n, last, returned := m.word(result), m.word(result+4), m.word(result+8); n != 4 || last != '>' || returned != 4 {
		t.Errorf("%d characters were printed, the last %q; ets_printf returned %d", n, rune(last), returned)
	}
	if got := m.word(result + 12); got != sp {
		t.Errorf("the stack is at 0x%08x afterwards, not 0x%08x", got, sp)
	}
	if m.serial.Len() != 0 {
		t.Errorf("the ROM printed %q itself", m.serial.String())
	}
}

func TestAHandlerOfNarrowAccessesLetsTheROMMakeThem(t *testing.T) {
	const words = iramBase + 0x6000
	m := newMachine(t, new(code).exit())
	m.put(result, "abcde")
	if m.rom("ets_memcpy", words+1, result, 5); len(m.exceptions) != 1 {
		t.Errorf("without a handler, bytes in IRAM gave %v", m.exceptions)
	}
	m.rom("_xtos_set_exception_handler", 3, codeBase)
	m.exceptions = nil
	m.mustStore(words, 0x11111111)
	m.mustStore(words+4, 0x22222222)
	m.rom("ets_memcpy", words+1, result, 5)
	if a, b := m.word(words), m.word(words+4); a != 0x63626111 || b != 0x22226564 || m.exceptions != nil {
		t.Errorf("with one, IRAM holds 0x%08x 0x%08x; %v", a, b, m.exceptions)
	}
	if m.rom("ets_memcpy", result+0x20, words+1, 5); m.word(result+0x20) != 0x64636261 {
		t.Errorf("with one, 0x%08x came out of IRAM", m.word(result+0x20))
	}
}

func TestTheRadiosBuffersAreChained(t *testing.T) {
	m := newMachine(t, new(code).exit())
	const descriptors, data, first, last = result, result + 0x200, result + 0x100, result + 0x104
	for _, full := range []uint32{0, 1} {
		m.rom("lldesc_build_chain", descriptors, 36, data, 300, 100, full, first, last)
		want := uint32(1<<31 | 100)
		if full != 0 {
			want |= 100 << 12
		}
		for i := range uint32(3) {
			at, next := uint32(descriptors+12*i), uint32(descriptors+12*(i+1))
			if i == 2 {
				next = 0
			}
			if v := m.word(at) &^ 0x1F000000; v != want || m.word(at+4) != data+100*i || m.word(at+8) != next {
				t.Errorf("full %d: descriptor %d is 0x%08x 0x%08x 0x%08x", full, i, m.word(at), m.word(at+4), m.word(at+8))
			}
		}
		if m.word(first) != descriptors || m.word(last) != descriptors+24 {
			t.Errorf("full %d: the chain goes from 0x%08x to 0x%08x", full, m.word(first), m.word(last))
		}
	}
}
