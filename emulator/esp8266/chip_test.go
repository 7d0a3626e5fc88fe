package esp8266

import (
	"bytes"
	"testing"
)

// These are the registers that the vendor's software rests on.

func TestTheChipSaysWhatItIs(t *testing.T) {
	m := newMachine(t, new(code).exit())
	for name, test := range map[string]struct{ addr, mask, want uint32 }{
		"an ESP8266":               {regMAC0 + 8, 1 << 15, 1 << 15},
		"whose OUI counts":         {regMAC0 + 8, 1 << 12, 1 << 12},
		"awake":                    {regRTCAwake, 3, 1},
		"after power-on":           {regRTCCause, 0xF, 1},
		"booting from the flash":   {regGPIO + 0x18, 7 << 16, 3 << 16},
		"without SDIO":             {regGPIO + 0x18, 7 << 29, 6 << 29},
		"with an idle flash cache": {regCache, 1 << 9, 0},
	} {
		if v := m.word(test.addr) & test.mask; v != test.want {
			t.Errorf("%s: 0x%08x reads 0x%x, want 0x%x", name, test.addr, v, test.want)
		}
	}
	m.Reset(ResetWatchdog)
	if v := m.word(regRTCCause) & 0xF; v != 4 {
		t.Errorf("after the watchdog's reset its cause is %d", v)
	}
}

func TestRegistersOfTheRadioKeepWhatWasWritten(t *testing.T) {
	m := newMachine(t, new(code).exit())
	for _, addr := range []uint32{0x3FF20038, 0x3FF21C00, 0x6000057C, 0x60009B08, 0x60009FFC, 0x60000740} {
		m.mustStore(addr, 0xCAFE0000|addr&0xFFFF)
		if v := m.word(addr); v != 0xCAFE0000|addr&0xFFFF {
			t.Errorf("0x%08x reads 0x%08x", addr, v)
		}
	}
	m.mustStore(regRTCKept+12, 0x600D)
	m.Reset(ResetWatchdog)
	if radio, rtc := m.word(0x3FF20038), m.word(regRTCKept+12); radio != 0 || rtc != 0x600D {
		t.Errorf("after a reset 0x3ff20038 reads 0x%08x, the RTC's word 0x%08x", radio, rtc)
	}
	m.PowerOn()
	if v := m.word(regRTCKept + 12); v != 0 {
		t.Errorf("after a power cut the RTC's word reads 0x%08x", v)
	}
}

func TestTheMACsTimerInterrupts(t *testing.T) {
	p := new(code)
	h := handler(p, macIntClear, macTimerFired)
	start := p.here()
	p.call(romAddr("ets_isr_attach"), macInterrupt, h, 0).
		store(macIntEnable, macTimerFired).
		store(macTarget, 1_000_000).store(macTargetHigh, 0).store(macTimer, macTimerArmed).
		call(romAddr("ets_isr_unmask"), 1<<macInterrupt).emit(waiti(0))
	p.loop()
	m := newMachine(t, p)
	m.CPU.PC = start
	m.mustStore(result, 0)
	m.run(999_000*cyclesPerMicrosecond-m.CPU.Cycles, EventIdle)
	if n := m.word(result); n != 0 {
		t.Errorf("it interrupted %d times before its time", n)
	}
	m.run(CyclesPerSecond, EventBudget)
	if n := m.word(result); n != 1 {
		t.Errorf("it interrupted %d times, want once; faults %q", n, m.faults)
	}
}

func TestTheWatchdogInterruptsBeforeItBites(t *testing.T) {
	for _, test := range []struct {
		name string
		let  uint32 // through to the CPU
		want uint32
	}{{"let through", 1, 1}, {"held off", 0, 0}} {
		p := new(code)
		h := handler(p, 0, 0)
		start := p.here()
		p.call(romAddr("ets_isr_attach"), watchdogInterrupt, h, 0).
			store(regEdgeInterrupts, test.let).
			call(romAddr("ets_isr_unmask"), 1<<watchdogInterrupt).
			store(regWatchdog+4, shortFirst).store(regWatchdog+8, shortSecond).
			store(regWatchdog+0x14, watchdogFood)
		p.loop()
		m := newMachine(t, p)
		m.CPU.PC = start
		m.mustStore(result, 0)
		m.run(shortBite+10_000, EventReset)
		if n := m.word(result); n != test.want {
			t.Errorf("%s: the first stage interrupted %d times, want %d", test.name, n, test.want)
		}
	}
}

func TestTheFlashCacheTakes16Or32KB(t *testing.T) {
	const inBoth, inLarge = iramBase + 0xC000, iramBase + 0x8000
	for _, test := range []struct {
		large uint32
		free  bool
	}{{0, true}, {1, false}} {
		m := newMachine(t, new(code).exit())
		m.mustStore(inLarge, 0x11223344)
		m.rom("Cache_Read_Enable", 0, 0, test.large)
		if _, err := m.Load32(inBoth); err == nil {
			t.Errorf("large %d: the last 16 KB of IRAM are still there", test.large)
		}
		v, err := m.Load32(inLarge)
		if test.free != (err == nil && v == 0x11223344) {
			t.Errorf("large %d: at 0x%08x lies 0x%08x, %v", test.large, uint32(inLarge), v, err)
		}
		m.rom("Cache_Read_Disable")
		if _, err := m.Load32(flashBase); err == nil {
			t.Errorf("large %d: flash is still mapped", test.large)
		}
	}
}

// command starts a transaction of SPI0.
func (m *machine) command(bit uint, address, length uint32) {
	m.t.Helper()
	m.mustStore(regSPI0+spiAddress, length<<24|address)
	m.mustStore(regSPI0+spiCommand, 1<<bit)
	if v := m.word(regSPI0 + spiCommand); v != 0 {
		m.t.Errorf("command %d does not end: 0x%08x", bit, v)
	}
}

func TestTheFlashControllerReadsAndPrograms(t *testing.T) {
	m := newMachine(t, new(code).exit())
	const at = 0x40000
	m.command(bitReadID, 0, 0)
	if id := m.word(regSPI0 + spiData); id != 0x1440EF {
		t.Errorf("the flash's id is 0x%06x", id)
	}
	m.mustStore(regSPI0+spiData, 0x04030201)
	m.mustStore(regSPI0+spiData+4, 0x08070605)
	m.command(bitPageProgram, at, 8)
	if m.Flash.Bytes()[at] != 0xFF {
		t.Error("the flash was programmed without a write enable")
	}
	m.command(bitWriteOn, 0, 0)
	m.command(bitReadStatus, 0, 0)
	if s := m.word(regSPI0 + spiRDStatus); s != spiWriteEnabled {
		t.Errorf("with a write enable the status is 0x%x", s)
	}
	m.command(bitPageProgram, at, 7)
	if got := m.Flash.Bytes()[at : at+8]; !bytes.Equal(got, []byte{1, 2, 3, 4, 5, 6, 7, 0xFF}) {
		t.Errorf("the flash holds % x", got)
	}
	m.mustStore(regSPI0+spiData, 0)
	m.command(bitReadData, at+1, 4)
	if v := m.word(regSPI0 + spiData); v != 0x05040302 {
		t.Errorf("it reads 0x%08x", v)
	}
	m.command(bitSectorErase, at, 0)
	if m.Flash.Bytes()[at] != 1 {
		t.Error("the flash was erased without a write enable of its own")
	}
	m.command(bitWriteOn, 0, 0)
	m.command(bitSectorErase, at+0x10, 0)
	if got := m.Flash.Bytes()[at : at+8]; !bytes.Equal(got, bytes.Repeat([]byte{0xFF}, 8)) {
		t.Errorf("after an erase the flash holds % x", got)
	}
}

func TestAProgramGoesRoundInItsPage(t *testing.T) {
	m := newMachine(t, new(code).exit())
	m.mustStore(regSPI0+spiData, 0x04030201)
	m.mustStore(regSPI0+spiData+4, 0x08070605)
	m.command(bitWriteOn, 0, 0)
	m.command(bitPageProgram, 0x400FC, 8)
	flash := m.Flash.Bytes()
	if !bytes.Equal(flash[0x400FC:0x40100], []byte{1, 2, 3, 4}) || !bytes.Equal(flash[0x40000:0x40004], []byte{5, 6, 7, 8}) {
		t.Errorf("the page ends % x and begins % x", flash[0x400FC:0x40100], flash[0x40000:0x40004])
	}
}

func TestTheFlashControllerSendsWhatAProgramComposes(t *testing.T) {
	m := newMachine(t, new(code).exit())
	const at = 0x40000
	compose := func(command, address uint32, phases, lengths uint32) {
		m.mustStore(regSPI0+spiUser, 1<<31|phases)
		m.mustStore(regSPI0+spiUser1, lengths)
		m.mustStore(regSPI0+spiUser2, 7<<28|command)
		m.mustStore(regSPI0+spiAddress, address<<8)
		m.mustStore(regSPI0+spiCommand, 1<<bitUser)
	}
	const in, out = 1 << 28, 1 << 27
	must(t, m.Flash.Put(at, []byte{9, 8, 7, 6}))
	compose(0x9F, 0, in, 23<<8)
	if id := m.word(regSPI0 + spiData); id != 0x1440EF {
		t.Errorf("0x9F gives 0x%06x", id)
	}
	compose(0x03, at, in, 31<<8)
	if v := m.word(regSPI0 + spiData); v != 0x06070809 {
		t.Errorf("0x03 reads 0x%08x", v)
	}
	compose(0x06, 0, 0, 0)
	m.mustStore(regSPI0+spiData, 0)
	compose(0x02, at, out, 15<<17)
	if got := m.Flash.Bytes()[at : at+4]; !bytes.Equal(got, []byte{0, 0, 7, 6}) {
		t.Errorf("after 0x02 the flash holds % x", got)
	}
	m.mustStore(regSPI0+spiData, 0xFFFFFFFF)
	compose(0x35, 0, in, 7<<8)
	if v := m.word(regSPI0 + spiData); v != 0 {
		t.Errorf("a command that the flash does not know reads 0x%08x", v)
	}
}
