package esp8266

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// inDownloadMode is a chip that waits for a flashing tool.
func inDownloadMode(t *testing.T) *machine {
	m := newMachine(t, new(code).exit())
	m.SetPin(0, false)
	m.PowerOn()
	return m
}

// sends lets the chip receive a packet, and returns the value and the status of its answer.
func (m *machine) sends(command byte, checksum byte, data ...[]byte) (value uint32, status byte) {
	m.t.Helper()
	body := bytes.Join(data, nil)
	packet := binary.LittleEndian.AppendUint16([]byte{0, command}, uint16(len(body)))
	packet = append(packet, checksum, 0, 0, 0)
	packet = append(packet, body...)
	packet = bytes.ReplaceAll(packet, []byte{slipEscape}, []byte{slipEscape, slipEscaped})
	packet = bytes.ReplaceAll(packet, []byte{slipEnd}, []byte{slipEscape, slipEscapedEnd})
	packet = append(append([]byte{slipEnd}, packet...), slipEnd)
	m.serial.Reset()
	for len(packet) > 0 {
		n := min(len(packet), m.ReceiveRoom())
		m.Receive(packet[:n])
		packet = packet[n:]
		m.run(CyclesPerSecond, EventIdle)
	}
	said := m.serial.Bytes()
	if len(said) < 12 || said[0] != slipEnd || said[1] != 1 || said[2] != command || said[len(said)-1] != slipEnd {
		m.t.Fatalf("command %d is answered by % x", command, said)
	}
	said = bytes.ReplaceAll(said[1:len(said)-1], []byte{slipEscape, slipEscapedEnd}, []byte{slipEnd})
	said = bytes.ReplaceAll(said, []byte{slipEscape, slipEscaped}, []byte{slipEscape})
	return binary.LittleEndian.Uint32(said[4:]), said[len(said)-1]
}

func words(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func sum(block []byte) byte {
	sum := byte(checksumSeed)
	for _, b := range block {
		sum ^= b
	}
	return sum
}

func TestTheDownloadModeReadsAndWritesRegisters(t *testing.T) {
	m := inDownloadMode(t)
	if v, _ := m.sends(readRegister, 0, words(romMagicAddress)); v != romMagic {
		t.Errorf("the chip's magic is 0x%08x", v)
	}
	if v, _ := m.sends(readRegister, 0, words(regUART0+0x14)); v != loaderDivider {
		t.Errorf("the divider is %d", v)
	}
	m.mustStore(dramBase, 0x11223344)
	if _, status := m.sends(writeRegister, 0, words(dramBase, 0xC0DBC0DB, 0xFFFF0000, 0)); status != loaderOK {
		t.Errorf("status %d", status)
	}
	if v, _ := m.sends(readRegister, 0, words(dramBase)); v != 0xC0DB3344 {
		t.Errorf("after a write under a mask: 0x%08x", v)
	}
	if _, status := m.sends(writeRegister, 0, words(0x10, 0, 0xFFFFFFFF, 0)); status != loaderFailed {
		t.Errorf("a register that is not there: status %d", status)
	}
	if _, status := m.sends(0x42, 0); status != loaderInvalid {
		t.Errorf("an unknown command: status %d", status)
	}
}

func TestTheDownloadModeWritesFlash(t *testing.T) {
	m := inDownloadMode(t)
	content := bytes.Repeat([]byte{0xC0, 0xDB, 3, 4}, 0x1000/4)
	const at, block = 0x2F000, 0x400 // the last sector of a block, so that twice as much is erased
	must(t, m.Flash.Put(at, make([]byte, 3*SectorSize)))
	m.sends(flashBegin, 0, words(uint32(len(content)), uint32(len(content)/block), block, at))
	for i := range len(content) / block {
		part := content[i*block:][:block]
		if _, status := m.sends(flashData, sum(part)+1, words(block, uint32(i), 0, 0), part); status != loaderBadChecksum {
			t.Errorf("a wrong checksum: status %d", status)
		}
		if _, status := m.sends(flashData, sum(part), words(block, uint32(i), 0, 0), part); status != loaderOK {
			t.Fatalf("block %d: status %d", i, status)
		}
	}
	if _, status := m.sends(flashData, sum(nil), words(0, 4, 0, 0)); status != loaderInvalid {
		t.Errorf("one block too many: status %d", status)
	}
	if !bytes.Equal(m.Flash.Bytes()[at:][:len(content)], content) {
		t.Error("the flash holds something else")
	}
	if next := m.Flash.Bytes()[at+SectorSize:]; next[0] != 0xFF || next[SectorSize] != 0 {
		t.Error("it does not erase what the chip erases")
	}
	m.Receive([]byte{slipEnd, 0, flashEnd, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, slipEnd})
	if m.run(CyclesPerSecond, EventStopped); m.CPU.PC == romLoader {
		t.Error("it does not leave the download mode for what is in flash")
	}
}

func TestTheDownloadModeRunsAProgram(t *testing.T) {
	m := inDownloadMode(t)
	const set = dramBase + 0x100 // which the program sets
	p := new(code).store(set, 42).exit()
	for at, part := range map[uint32][]byte{literalBase: words(p.literals...), codeBase: p.bytes} {
		for len(part)%4 != 0 {
			part = append(part, 0)
		}
		n := uint32(len(part))
		m.sends(memBegin, 0, words(n, 1, n, at))
		if _, status := m.sends(memData, sum(part), words(n, 0, 0, 0), part); status != loaderOK {
			t.Fatalf("status %d", status)
		}
	}
	packet := append([]byte{slipEnd, 0, memEnd, 8, 0, 0, 0, 0, 0}, words(0, codeBase)...)
	m.Receive(append(packet, slipEnd))
	m.run(CyclesPerSecond, EventStopped)
	if v := m.word(set); v != 42 {
		t.Errorf("the program has not run: %d", v)
	}
}

// What was strapped at power-on stays until the next, so a restart of the program ends in the
// download mode again.
func TestTheBootModeStaysUntilThePowerIsSwitched(t *testing.T) {
	m := inDownloadMode(t)
	m.SetPin(0, true)
	m.Reset(ResetRestart)
	if m.CPU.PC != romLoader {
		t.Error("a restart leaves the download mode")
	}
	m.Reset(ResetPin)
	if m.CPU.PC == romLoader {
		t.Error("the reset pin does not leave the download mode")
	}
}
