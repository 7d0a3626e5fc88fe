package esp8266

import (
	"encoding/binary"

	"esper/emulator/lx106"
)

// The ROM's download mode: with GPIO0 low at power-on it waits on UART 0 for a flashing tool, in
// packets of SLIP (RFC 1055). The protocol is described in esptool's documentation, "Serial
// Protocol".

// romLoader is where the CPU waits for packets.
const romLoader = 0x40001008

// How SLIP marks a packet's ends, and these bytes in it.
const (
	slipEnd        = 0xC0
	slipEscape     = 0xDB
	slipEscapedEnd = 0xDC
	slipEscaped    = 0xDD
)

// Commands.
const (
	flashBegin    = 0x02
	flashData     = 0x03
	flashEnd      = 0x04
	memBegin      = 0x05
	memEnd        = 0x06
	memData       = 0x07
	synchronize   = 0x08
	writeRegister = 0x09
	readRegister  = 0x0A
)

// What the ROM finds wrong with a packet.
const (
	loaderOK          = 0
	loaderInvalid     = 5
	loaderFailed      = 6
	loaderBadChecksum = 7
)

const (
	loaderHeader = 8      // 0, command, length, checksum
	loaderBlock  = 16     // before a block's data: length, number, 0, 0
	loaderMax    = 0x1840 // bytes of a packet at most: a tool sends blocks of 6 KB
	loaderSynced = 0x20120707
	checksumSeed = 0xEF

	// romMagic is the word at romMagicAddress, by which tools know the chip.
	romMagicAddress = 0x40001000
	romMagic        = 0xFFF0C101

	// loaderDivider is what the ROM finds when it measures 115,200 baud with a crystal of 26 MHz.
	loaderDivider = 52_000_000 / 115_200
)

// loader is the download mode's state.
type loader struct {
	packet          [loaderMax]byte
	n               int
	inside, escaped bool

	flash  bool   // what is written: flash, or memory
	at     uint32 // where the next block goes
	blocks uint32 // that are to come
}

// download begins to wait for packets.
func (c *Chip) download() {
	c.loader = loader{}
	c.setWatchdog(false)
	c.uart[0].divider = loaderDivider
	c.CPU.PC = romLoader
}

// loaderStep takes what has been received, and waits for more.
func (c *Chip) loaderStep() {
	for c.CPU.PC == romLoader {
		b, ok := c.uart[0].pop()
		if !ok {
			c.Wait(true)
			return
		}
		c.loaderByte(b)
	}
}

func (c *Chip) loaderByte(b byte) {
	l := &c.loader
	switch {
	case b == slipEnd && l.inside && l.n > 0:
		packet := l.packet[:l.n]
		l.n, l.inside = 0, false
		c.loaderPacket(packet)
		return
	case b == slipEnd:
		l.n, l.inside, l.escaped = 0, true, false
		return
	case !l.inside:
		return
	case l.escaped && b == slipEscapedEnd:
		b = slipEnd
	case l.escaped && b == slipEscaped:
		b = slipEscape
	case b == slipEscape:
		l.escaped = true
		return
	}
	l.escaped = false
	if l.n == len(l.packet) {
		l.inside = false
		return
	}
	l.packet[l.n] = b
	l.n++
}

// loaderPacket does what a packet asks for, and answers.
func (c *Chip) loaderPacket(packet []byte) {
	if len(packet) < loaderHeader || packet[0] != 0 ||
		int(binary.LittleEndian.Uint16(packet[2:])) != len(packet)-loaderHeader {
		return
	}
	command, checksum, data := packet[1], packet[4], packet[loaderHeader:]
	words := make([]uint32, 4)
	for i := range min(len(words), len(data)/4) {
		words[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	value, status := uint32(0), byte(loaderOK)
	switch command {
	case synchronize:
		for range 7 { // and once more below, as if it had been asked eight times
			c.loaderAnswer(command, loaderSynced, loaderOK)
		}
		value = loaderSynced
	case readRegister:
		value = c.loaderRead(words[0])
	case writeRegister:
		if !c.loaderWrite(words[0], words[1], words[2]) {
			status = loaderFailed
		}
	case memBegin:
		c.loader.flash, c.loader.at, c.loader.blocks = false, words[3], words[1]
	case flashBegin:
		c.loader.flash, c.loader.at, c.loader.blocks = true, words[3], words[1]
		if !c.loaderErase(words[3], words[0]) {
			status = loaderFailed
		}
	case memData, flashData:
		status = c.loaderWriteBlock(checksum, data, words[0])
	case memEnd:
		c.loaderAnswer(command, 0, loaderOK)
		if words[0] == 0 {
			c.CPU.PS = lx106.PSUM
			c.CPU.A = [16]uint32{0: romLoader, 1: 0x3FFFFF90}
			c.CPU.PC = words[1]
		}
		return
	case flashEnd:
		c.loaderAnswer(command, 0, loaderOK)
		if words[0] == 0 {
			c.ask(EventReset, ResetRestart)
		} else {
			c.bootFlash() // the boot mode stays, until the power is switched
		}
		return
	default:
		status = loaderInvalid
	}
	c.loaderAnswer(command, value, status)
}

// loaderWriteBlock writes a block to where the last begin command said.
func (c *Chip) loaderWriteBlock(checksum byte, data []byte, n uint32) byte {
	l := &c.loader
	if len(data) < loaderBlock || uint32(len(data)-loaderBlock) != n || l.blocks == 0 {
		return loaderInvalid
	}
	block, sum := data[loaderBlock:], byte(checksumSeed)
	for _, b := range block {
		sum ^= b
	}
	if sum != checksum {
		return loaderBadChecksum
	}
	var err error
	if l.flash {
		err = c.ProgramFlash(l.at, block)
	} else {
		err = c.Write(l.at, block)
	}
	if err != nil {
		return loaderFailed
	}
	l.at += n
	l.blocks--
	return loaderOK
}

// loaderErase erases n bytes of flash, and up to the end of the first block of 64 KB the same number
// again: the ROM forgets to count these, and tools ask for the less.
func (c *Chip) loaderErase(addr, n uint32) bool {
	sectors := (n + SectorSize - 1) / SectorSize
	sectors += min(blockSize/SectorSize-addr/SectorSize%(blockSize/SectorSize), sectors)
	for addr &^= SectorSize - 1; sectors > 0 && addr < uint32(c.Flash.Size()); sectors-- {
		if c.EraseFlash(addr) != nil {
			return false
		}
		addr += SectorSize
	}
	return true
}

func (c *Chip) loaderRead(addr uint32) uint32 {
	v, err := c.Load32(addr)
	if err != nil {
		return 0
	}
	return v
}

// loaderWrite writes the bits of a mask.
func (c *Chip) loaderWrite(addr, v, mask uint32) bool {
	old, err := c.Load32(addr)
	return err == nil && c.Store32(addr, old&^mask|v&mask) == nil
}

func (c *Chip) loaderAnswer(command byte, value uint32, status byte) {
	failed := byte(0)
	if status != loaderOK {
		failed = 1
	}
	answer := binary.LittleEndian.AppendUint32([]byte{1, command, 2, 0}, value)
	answer = append(answer, failed, status)
	c.transmit(slipEnd)
	for _, b := range answer {
		switch b {
		case slipEnd:
			c.transmit(slipEscape, slipEscapedEnd)
		case slipEscape:
			c.transmit(slipEscape, slipEscaped)
		default:
			c.transmit(b)
		}
	}
	c.transmit(slipEnd)
}
