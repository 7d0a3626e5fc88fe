package esp8266

import "esper/emulator/lx106"

// What the ROM knows of the radio, as far as a chip without one is asked for it.

// phyTable holds the address of a table of functions, behind it, which the vendor's software
// replaces in part: here they are the ROM's functions by their place in it. What else the
// table names is not emulated.
const (
	phyTable     = 0x3FFFC730
	phyTableSize = 71 // words
)

var phyFunctions = map[uint32]uint32{
	1: 0x400060D0, 2: 0x400060EC, 17: 0x400065A4,
	36: 0x40007268, 37: 0x4000729C, 38: 0x400072D8, 39: 0x4000730C,
}

// romUnknown is what lies where the ROM has a function that nobody has asked for yet.
const romUnknown = 0x40006000

func (c *Chip) resetPHY() {
	c.setData(phyTable, phyTable+4)
	for i := range uint32(phyTableSize) {
		f, ok := phyFunctions[i]
		if !ok {
			f = romUnknown
		}
		c.setData(phyTable+4+4*i, f)
	}
}

// setCCA switches clear channel assessment.
func setCCA(c *Chip, on bool) {
	const register, off = 0x60009B00, 1 << 28
	v, _ := c.loadRegister(register)
	v |= off
	if on {
		v &^= off
	}
	c.storeRegister(register, v)
	c.Return(v)
}

// mhz2ieee (MHz, flags) is the channel at a frequency.
func mhz2ieee(c *Chip) {
	const band24 = 1 << 7
	mhz, flags := int32(c.Arg(0)), c.Arg(1)
	switch {
	case flags&band24 == 0:
		c.fault("rom_mhz2ieee outside the band of 2.4 GHz")
	case mhz == 2484:
		c.Return(14)
	case mhz < 2484:
		c.Return(uint32((mhz - 2407) / 5))
	default:
		c.Return(uint32(15 + (mhz-2512)/20))
	}
}

// i2cBase are the registers of the bus on the chip that the analogue parts hang on, one for
// each host: block, register and value, and bit 24 for a write.
const i2cBase = 0x60000D00

// i2cRead (block, host, register).
func i2cRead(c *Chip) { c.Return(c.i2c(c.Arg(0), c.Arg(1), c.Arg(2))) }

// i2cReadMask (block, host, register, highest bit, lowest bit).
func i2cReadMask(c *Chip) {
	high, low := c.Arg(3), c.Arg(4)
	c.Return(c.i2c(c.Arg(0), c.Arg(1), c.Arg(2)) >> low & (1<<(high-low+1) - 1) & 0xFF)
}

// i2cWrite (block, host, register, value).
func i2cWrite(c *Chip) {
	c.setI2C(c.Arg(0), c.Arg(1), c.Arg(2), c.Arg(3))
	c.Return(0)
}

// i2cWriteMask (block, host, register, highest bit, lowest bit, value).
func i2cWriteMask(c *Chip) {
	block, host, register, high, low := c.Arg(0), c.Arg(1), c.Arg(2), c.Arg(3), c.Arg(4)
	mask := uint32(1<<(high-low+1)-1) << low
	v := c.i2c(block, host, register)&^mask | c.Arg(5)<<low
	c.setI2C(block, host, register, v&0xFF)
	c.Return(0)
}

// i2c asks for a register. Nothing hangs on the bus, so what comes is 0.
func (c *Chip) i2c(block, host, register uint32) uint32 {
	c.storeRegister(i2cBase+4*host, block|register<<8)
	v, _ := c.loadRegister(i2cBase + 4*host)
	return v >> 16 & 0xFF
}

func (c *Chip) setI2C(block, host, register, v uint32) {
	c.storeRegister(i2cBase+4*host, block|register<<8|v<<16|1<<24)
}

// Fields of a descriptor of the radio's buffers: its size and the length of what is in it, 12
// bits each, and flags; the data; the next descriptor.
const (
	descriptorField = 0xFFF
	descriptorSOSF  = 1 << 29
	descriptorEOF   = 1 << 30
	descriptorOwner = 1 << 31
	descriptorData  = 4
	descriptorNext  = 8
	descriptorSize  = 12
)

// buildChain (descriptors, their bytes, data, their bytes, bytes of a piece, whether they are
// full, where the first descriptor is to be told, and the last).
func buildChain(c *Chip) {
	at, data, piece := c.Arg(0), c.Arg(2), c.Arg(4)
	if piece == 0 {
		panic(fault{lx106.IllegalInstruction, 0})
	}
	first, last, n := at, at, c.Arg(3)/piece
	for i := uint32(0); i == 0 || i < n; i++ {
		v := c.load(at, 4)&^(descriptorField<<12|descriptorField|descriptorEOF|descriptorSOSF) |
			piece&descriptorField | descriptorOwner
		if c.Arg(5) != 0 {
			v |= piece & descriptorField << 12
		}
		c.store(at, 4, v)
		c.store(at+descriptorData, 4, data)
		c.store(at+descriptorNext, 4, at+descriptorSize)
		last, at, data = at, at+descriptorSize, data+piece
	}
	c.store(last+descriptorNext, 4, 0)
	c.store(c.Arg(6), 4, first)
	c.store(c.Arg(7), 4, last)
	c.Return(n)
}
