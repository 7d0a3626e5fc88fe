package esp8266

import (
	"strings"
	"testing"
)

func TestTheROMLoadsTheSegmentsAndJumps(t *testing.T) {
	p := new(code).store(result, 0x600D).exit()
	m := newMachine(t, p)
	data := []byte("0123456789AB")
	image := bootImage(codeBase, segment{dramBase, data}, segment{literalBase, literalBytes(p)},
		segment{codeBase, padded(p.bytes)})
	must(t, m.Flash.Put(0, image))
	m.serial.Reset()
	m.PowerOn()
	m.run(1000, EventStopped)
	if m.word(result) != 0x600D {
		t.Error("the program did not run")
	}
	if got, _ := m.Read(dramBase, len(data)); string(got) != string(data) {
		t.Errorf("the DRAM segment is %q", got)
	}
	for _, want := range []string{
		" ets Jan  8 2013,rst cause:1, boot mode:(3,6)\r\n",
		"load 0x3ffe8000, len 12, room 16 \r\ntail 0\r\n",
		"load 0x40100000, len 12, room 8 \r\ntail 4\r\n",
		"csum 0x",
	} {
		if !strings.Contains(m.serial.String(), want) {
			t.Errorf("the ROM printed %q, which lacks %q", m.serial.String(), want)
		}
	}
}

func TestTheROMBootsNothingThatIsNotWhole(t *testing.T) {
	good := new(code).exit().image()
	for _, test := range []struct {
		name   string
		change func(image []byte) []byte
		say    string
	}{
		{"a wrong byte", func(b []byte) []byte { b[17] ^= 1; return b }, "csum err"},
		{"a wrong checksum", func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }, "csum err"},
		{"erased flash", func(b []byte) []byte { return []byte{0xFF} }, "no image"},
		{"a segment in the ROM's memory", func(b []byte) []byte {
			return bootImage(codeBase, segment{0x3FFFC000, make([]byte, 4)})
		}, "load err"},
		{"a segment that no memory holds", func(b []byte) []byte {
			b[12], b[13], b[14], b[15] = 0xFC, 0xFF, 0xFF, 0xFF
			return b
		}, "load err"},
		{"17 segments", func(b []byte) []byte { b[1] = 17; return b }, "no image"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, new(code).exit())
			m.Flash.Put(0, test.change(append([]byte(nil), good...)))
			m.serial.Reset()
			m.PowerOn()
			m.run(1000, EventStopped)
			if !strings.Contains(m.serial.String(), test.say) {
				t.Errorf("the ROM printed %q, want %q", m.serial.String(), test.say)
			}
		})
	}
}

func TestAResetKeepsMemoryAndPowerLossDoesNot(t *testing.T) {
	m := newMachine(t, new(code).exit())
	ram, rtc, register := uint32(result), uint32(rtcBase+0x200), uint32(regIOMux+4)
	for _, addr := range []uint32{ram, rtc, register} {
		m.mustStore(addr, 0x2334AE68)
	}
	m.Reset(ResetRestart)
	if m.word(ram) != 0x2334AE68 || m.word(rtc) != 0x2334AE68 {
		t.Error("a reset lost RAM or RTC memory")
	}
	if m.word(register) != 0 {
		t.Error("a reset left a peripheral's register as it was")
	}
	if m.ResetReason() != ResetRestart {
		t.Errorf("the reset reason is %d", m.ResetReason())
	}
	m.PowerOn()
	if m.word(ram) == 0x2334AE68 || m.word(rtc) == 0x2334AE68 {
		t.Error("RAM or RTC memory survived without power")
	}
	if m.ResetReason() != ResetPowerOn {
		t.Errorf("the reset reason is %d", m.ResetReason())
	}
}

func TestTheResetCauseIsWhatTheROMTells(t *testing.T) {
	for reason, want := range map[ResetReason]uint32{
		ResetPowerOn: 1, ResetWatchdog: 4, ResetRestart: 2, ResetPin: 2, ResetException: 2,
	} {
		m := newMachine(t, new(code).exit())
		m.Reset(reason)
		if got := m.rom("rtc_get_reset_reason"); got != want {
			t.Errorf("after reset %d the ROM gives %d, want %d", reason, got, want)
		}
	}
}

func TestTheProgramCanNameWhatTheROMStartsNext(t *testing.T) {
	p := new(code).store(result, 7).exit()
	second := p.here()
	p.store(result, 8).exit()
	first := p.here()
	p.call(romAddr("ets_set_user_start"), second).exit()
	m := newMachine(t, p)
	m.CPU.PC = first
	m.run(1000, EventStopped)
	if m.word(result) != 8 {
		t.Errorf("the program left %d, want 8", m.word(result))
	}
}

func TestTheResetRegisterAsksForAReset(t *testing.T) {
	m := newMachine(t, new(code).store(regRTC, 1<<31).store(result, 1).exit())
	m.mustStore(result, 0)
	m.run(1000, EventReset)
	if m.WantedReset() != ResetRestart || m.word(result) != 0 {
		t.Errorf("wanted reset %d, program went on: %d", m.WantedReset(), m.word(result))
	}
}

func literalBytes(p *code) []byte {
	b := make([]byte, 4*len(p.literals))
	for i, v := range p.literals {
		put(b[4*i:], 4, v)
	}
	return b
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
