package esp8266

import (
	"bytes"
	"fmt"
	"testing"

	"esper/emulator/lx106"
)

func TestTheWatchdogBitesAProgramThatHangs(t *testing.T) {
	m := newMachine(t, new(code).emit(waiti(0)))
	start := m.CPU.Cycles
	m.run(20*CyclesPerSecond, EventReset)
	if m.WantedReset() != ResetWatchdog {
		t.Errorf("the reset wanted is %d, want the watchdog's", m.WantedReset())
	}
	if s := float64(m.CPU.Cycles-start) / CyclesPerSecond; s < 6.7 || s > 8.5 {
		t.Errorf("it bit after %.2f s, want 6.7 to 8.4", s)
	}
	m.Reset(m.WantedReset())
	m.run(CyclesPerSecond, EventIdle)
	if m.ResetReason() != ResetWatchdog {
		t.Errorf("the reset reason is %d", m.ResetReason())
	}
}

// The shortest time that programs below give the watchdog: 2^6 + 2^4 ticks.
const (
	shortFirst, shortSecond = 6, 4
	shortBite               = (1<<shortFirst + 1<<shortSecond) * watchdogTick
)

// impatient makes the watchdog bite soon.
func impatient() *code {
	return new(code).store(regWatchdog+4, shortFirst).store(regWatchdog+8, shortSecond)
}

func TestTheWatchdogBitesWithInterruptsOff(t *testing.T) {
	m := newMachine(t, impatient().emit(rsil(2, 15)).loop())
	m.run(shortBite-1000, EventBudget)
	m.run(2000, EventReset)
}

func TestTheWatchdogLeavesAProgramAloneThatFeedsIt(t *testing.T) {
	for _, test := range []struct {
		food uint32
		want Event
	}{{0x73, EventBudget}, {0x37, EventReset}} {
		p := impatient()
		again := p.here()
		p.store(regWatchdog+0x14, test.food).call(romAddr("ets_delay_us"), 1000).jump(again)
		newMachine(t, p).run(3*shortBite, test.want)
	}
}

func TestTheWatchdogCanBeSwitchedOff(t *testing.T) {
	newMachine(t, impatient().store(regWatchdog, 0).loop()).run(3*shortBite, EventBudget)
	newMachine(t, impatient().call(romAddr("ets_wdt_disable")).loop()).run(3*shortBite, EventBudget)
	newMachine(t, impatient().call(romAddr("ets_wdt_disable")).call(romAddr("ets_wdt_enable")).loop()).
		run(3*shortBite, EventReset)
}

func TestTimeThatElapsesElsewhereCountsForTheWatchdog(t *testing.T) {
	p := new(code).call(romAddr("ets_delay_us"), 9_000_000).store(result, 1).exit()
	m := newMachine(t, p)
	m.mustStore(result, 0)
	m.run(20*CyclesPerSecond, EventReset)
	if m.word(result) != 0 {
		t.Error("the program went on after a delay of 9 s")
	}
}

// handler makes an interrupt handler that counts at result and then writes clear
// to the register ack.
func handler(p *code, ack, clear uint32) (addr uint32) {
	addr = p.here()
	p.set(12, result).emit(l32i(13, 12, 0), addi(13, 13, 1), s32i(13, 12, 0))
	if ack != 0 {
		p.store(ack, clear)
	}
	// The argument must have come; a register of the program is spoilt.
	p.set(12, result+4).emit(s32i(2, 12, 0)).set(11, 0xBAD).emit(retOp)
	return addr
}

func TestAnEdgeAtAPinCallsTheHandler(t *testing.T) {
	const high, low = true, false
	for kind, want := range map[uint32]uint32{
		0: 0, // off
		1: 2, // rising
		2: 1, // falling
		3: 3, // both
	} {
		t.Run(fmt.Sprint("kind ", kind), func(t *testing.T) {
			p := new(code)
			isr := handler(p, regGPIO+0x24, 1<<5)
			start := p.here()
			p.store(result, 0).
				call(romAddr("ets_isr_attach"), gpioInterrupt, isr, 0xA56).
				call(romAddr("gpio_pin_intr_state_set"), 5, kind).
				call(romAddr("ets_isr_unmask"), 1<<gpioInterrupt).
				set(11, 0x600D).loop()
			m := newMachine(t, p)
			m.CPU.PC = start
			m.SetPin(5, low)
			m.run(2000, EventBudget)
			for _, level := range []bool{high, high, low, high} {
				m.SetPin(5, level)
				m.run(2000, EventBudget)
			}
			if got := m.word(result); got != want {
				t.Errorf("the handler was called %d times, want %d", got, want)
			}
			if want > 0 && m.word(result+4) != 0xA56 {
				t.Errorf("the handler's argument was %#x", m.word(result+4))
			}
			if m.CPU.A[11] != 0x600D || m.CPU.PS&lx106.PSExcM != 0 {
				t.Errorf("the program was not restored: a11 %#x, PS %#x",
					m.CPU.A[11], m.CPU.PS)
			}
		})
	}
}

func TestLockedInterruptsComeLater(t *testing.T) {
	p := new(code)
	isr := handler(p, regGPIO+0x24, 1<<5)
	start := p.here()
	p.store(result, 0).
		call(romAddr("ets_isr_attach"), gpioInterrupt, isr, 0).
		call(romAddr("gpio_pin_intr_state_set"), 5, 1).
		call(romAddr("ets_isr_unmask"), 1<<gpioInterrupt).
		call(romAddr("ets_intr_lock")).
		call(romAddr("ets_delay_us"), 100)
	unlock := p.here()
	p.call(romAddr("ets_intr_unlock")).loop()
	m := newMachine(t, p)
	m.CPU.PC = start
	m.SetPin(5, false)
	m.run(2000, EventBudget)
	m.SetPin(5, true)
	for m.CPU.PC != unlock {
		m.run(1, EventBudget)
		if m.word(result) != 0 {
			t.Fatal("the handler was called while interrupts were locked")
		}
	}
	m.run(2000, EventBudget)
	if m.word(result) != 1 {
		t.Errorf("the handler was called %d times after unlocking, want once", m.word(result))
	}
}

func TestAnInterruptWithoutHandlerIsAFault(t *testing.T) {
	m := newMachine(t, new(code).call(romAddr("ets_isr_unmask"), 1<<gpioInterrupt).
		call(romAddr("gpio_pin_intr_state_set"), 5, 5).loop())
	m.SetPin(5, true)
	m.run(2000, EventStopped)
	if len(m.faults) != 1 {
		t.Errorf("faults: %q, want one", m.faults)
	}
}

func TestTimer1InterruptsAgainAndAgain(t *testing.T) {
	p := new(code)
	isr := handler(p, regTimers+0x0C, 1)
	start := p.here()
	p.store(result, 0).
		call(romAddr("ets_isr_attach"), frc1Interrupt, isr, 0).
		call(romAddr("ets_isr_unmask"), 1<<frc1Interrupt).
		store(regEdgeInterrupts, 1<<1).
		store(regTimers+8, timerEnable|timerReload|1<<2). // 5 MHz
		store(regTimers, 5000).                           // 1 ms
		loop()
	m := newMachine(t, p)
	m.CPU.PC = start
	m.run(CyclesPerSecond/1000*10+5000, EventBudget)
	if got := m.word(result); got != 10 {
		t.Errorf("in 10 ms the handler was called %d times, want 10", got)
	}
}

func TestTimer2InterruptsAtItsAlarm(t *testing.T) {
	p := new(code)
	isr := handler(p, 0, 0)
	start := p.here()
	p.store(result, 0).
		call(romAddr("ets_isr_attach"), frc2Interrupt, isr, 0).
		call(romAddr("ets_isr_unmask"), 1<<frc2Interrupt).
		store(regEdgeInterrupts, 1<<2).
		store(regTimers+0x28, timerEnable|2<<2). // 312500 Hz
		store(regTimers+0x30, 3125).             // 10 ms
		emit(waiti(0)).loop()
	m := newMachine(t, p)
	m.CPU.PC = start
	begin := m.CPU.Cycles
	m.run(CyclesPerSecond/100-1000, EventIdle)
	if m.word(result) != 0 {
		t.Error("the alarm came too soon")
	}
	if got := m.word(regTimers + 0x24); m.CPU.Cycles-begin > 5000 || got > 10 {
		t.Errorf("an idle chip let %d cycles pass; the count is %d", m.CPU.Cycles-begin, got)
	}
	m.run(CyclesPerSecond/100+5000, EventBudget)
	if m.word(result) != 1 {
		t.Errorf("the handler was called %d times, want once", m.word(result))
	}
}

func TestWaitingEndsWithAnInterrupt(t *testing.T) {
	p := new(code)
	isr := handler(p, regGPIO+0x24, 1<<5)
	start := p.here()
	p.store(result, 0).store(result+8, 0).
		call(romAddr("ets_isr_attach"), gpioInterrupt, isr, 0).
		call(romAddr("gpio_pin_intr_state_set"), 5, 1).
		call(romAddr("ets_isr_unmask"), 1<<gpioInterrupt).
		emit(waiti(0)).store(result+8, 1).exit()
	m := newMachine(t, p)
	m.CPU.PC = start
	m.SetPin(5, false)
	m.run(CyclesPerSecond, EventIdle)
	m.run(CyclesPerSecond, EventIdle)
	m.SetPin(5, true)
	m.run(CyclesPerSecond, EventStopped)
	if m.word(result) != 1 || m.word(result+8) != 1 {
		t.Errorf("handler called %d times, went on: %d", m.word(result), m.word(result+8))
	}
}

func TestOutputsShowWhatTheProgramDrives(t *testing.T) {
	m := newMachine(t, new(code).exit())
	var seen []string
	m.OnPin(func(n int, high bool) { seen = append(seen, fmt.Sprint(n, high)) })
	m.rom("gpio_output_set", 1<<12, 0, 1<<12, 0)
	m.rom("gpio_output_set", 1<<12, 0, 0, 0) // no change
	m.rom("gpio_output_set", 0, 1<<12, 0, 0)
	m.rom("gpio_output_set", 0, 1<<2, 1<<2, 0) // pulled up until then
	m.mustStore(regGPIO16, 1)
	m.mustStore(regRTC+0x74, 1)
	if !m.Pin(16) || m.Pin(12) {
		t.Errorf("pin 12 is %v, pin 16 is %v", m.Pin(12), m.Pin(16))
	}
	m.mustStore(regGPIO+0x04, 1<<12) // GPIO_OUT_W1TS
	m.Reset(ResetRestart)
	want := "[12 true 12 false 2 false 16 true 12 true 2 true 12 false 16 false]"
	if got := fmt.Sprint(seen); got != want {
		t.Errorf("seen %s, want %s", got, want)
	}
}

func TestInputsShowTheOutside(t *testing.T) {
	m := newMachine(t, new(code).exit())
	pin4 := func() bool { return m.rom("gpio_input_get")>>4&1 != 0 }
	if pin4() {
		t.Error("a pin that nothing drives is high")
	}
	m.mustStore(regIOMux+0x3C, pullUp)
	if !pin4() {
		t.Error("a pin with its pull-up on is low")
	}
	m.SetPin(4, false)
	if pin4() {
		t.Error("a pin with its pull-up on, driven low, is high")
	}
	m.SetPin(4, true)
	m.Reset(ResetRestart)
	if !pin4() {
		t.Error("a reset ended what the outside drives")
	}
}

func TestUARTSendsAtTheSpeedOfTheLine(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.Elapse(CyclesPerSecond)
	m.serial.Reset()
	m.rom("uart_div_modify", 0, CyclesPerSecond/115200)
	before := m.CPU.Cycles
	for range 1000 {
		m.rom("uart_tx_one_char", 'x')
	}
	took := float64(m.CPU.Cycles-before) / CyclesPerSecond
	if want := (1000 - fifoSize) * 10 / 115200.0; took < want*0.95 || took > want*1.05 {
		t.Errorf("1000 bytes at 115200 baud kept the program for %.4f s, want %.4f s", took, want)
	}
	if m.serial.Len() != 1000 {
		t.Errorf("%d bytes were sent", m.serial.Len())
	}
	if n := m.word(regUART0+0x1C) >> 16 & 0xFF; n < fifoSize-3 || n > fifoSize {
		t.Errorf("%d bytes are in the FIFO", n)
	}
}

func TestUARTReceives(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.Receive([]byte("hi"))
	for _, want := range "hi" {
		if m.rom("uart_rx_one_char", result) != 0 || m.word(result)&0xFF != uint32(want) {
			t.Errorf("received %c, want %c", m.word(result)&0xFF, want)
		}
	}
	if m.rom("uart_rx_one_char", result) != 1 {
		t.Error("received something from an empty FIFO")
	}
}

func TestAReceivedByteInterrupts(t *testing.T) {
	p := new(code)
	isr := handler(p, regUART0+0x10, uartRxFull|uartRxTimeout)
	start := p.here()
	p.store(result, 0).
		call(romAddr("ets_isr_attach"), uartInterrupt, isr, 0).
		call(romAddr("ets_isr_unmask"), 1<<uartInterrupt).
		store(regUART0+0x24, 100). // RX FIFO full: never here
		store(regUART0+0x0C, uartRxTimeout).
		emit(waiti(0)).exit()
	m := newMachine(t, p)
	m.CPU.PC = start
	m.run(CyclesPerSecond, EventIdle)
	m.Receive([]byte("x"))
	m.run(CyclesPerSecond, EventStopped)
	if m.word(result) != 1 || m.word(regUART0) != 'x' {
		t.Errorf("the handler was called %d times, want once", m.word(result))
	}
}

func TestTheEFusesHoldTheMACAddress(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.ChipID = 0x00C0DE
	if got := fmt.Sprintf("%08x %08x %08x", m.word(regMAC0), m.word(regMAC0+4), m.word(regMAC0+12)); got != "de000000 000000c0 005ccf7f" {
		t.Errorf("the eFuses are %s", got)
	}
	if got := fmt.Sprintf("%x", m.MAC()); got != "5ccf7f00c0de" {
		t.Errorf("the MAC address is %s", got)
	}
}

func TestRandomNumbersComeFromTheSeed(t *testing.T) {
	draw := func(seed uint64) [3]uint32 {
		m := newMachine(t, new(code).exit())
		m.Seed = seed
		m.PowerOn()
		var drawn [3]uint32
		for i := range drawn {
			drawn[i] = m.word(regRandom)
		}
		return drawn
	}
	if first, again := draw(1), draw(1); first != again {
		t.Error("the same seed gave different numbers")
	}
	if a, b := draw(1), draw(2); a == b || a[0] == a[1] {
		t.Errorf("numbers repeat: %v, %v", a, b)
	}
}

func TestClocksTellTheEmulatedTime(t *testing.T) {
	m := newMachine(t, new(code).exit())
	us, rtc := m.word(regMicroseconds), m.word(regRTCCount)
	m.Elapse(CyclesPerSecond)
	if got := m.word(regMicroseconds) - us; got != 1_000_000 {
		t.Errorf("a second has %d us", got)
	}
	if got := m.word(regRTCCount) - rtc; got < rtcHz-1 || got > rtcHz+1 {
		t.Errorf("a second has %d RTC ticks", got)
	}
}

func TestUART1SendsAtASpeedOfItsOwn(t *testing.T) {
	p := new(code).
		call(romAddr("uart_div_modify"), 1, 800).
		store(regUART1, 'a').store(regUART1, 'b').
		store(regUART0, 'c').
		exit()
	m := newMachine(t, p)
	var second bytes.Buffer
	m.Serial1 = &second
	m.serial.Reset()
	m.run(CyclesPerSecond, EventStopped)
	if second.String() != "ab" || m.serial.String() != "c" {
		t.Errorf("UART 1 sent %q, UART 0 %q", second.String(), m.serial.String())
	}
	if v := m.word(regUART1 + 0x14); v != 800 {
		t.Errorf("the divider is %d", v)
	}
	if queued := m.word(regUART1+0x1C) >> 16; queued != 2 {
		t.Errorf("%d bytes wait", queued)
	}
	m.Elapse(2 * 8000)
	if queued := m.word(regUART1+0x1C) >> 16; queued != 0 {
		t.Errorf("%d bytes wait after their time", queued)
	}
}
