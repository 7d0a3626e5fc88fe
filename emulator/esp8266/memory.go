package esp8266

import (
	"encoding/binary"

	"esper/emulator/lx106"
)

// The memory map. Sizes in bytes.
//
//	0x3FF00000  dport registers, eFuses
//	0x3FF20000  the radio's controller: clock, random numbers, a timer; the rest of its
//	            registers keep what is written
//	0x3FFE8000  DRAM, 80 KB for programs, then 16 KB for ROM and stack: any width
//	0x40000000  mask ROM: execute, load words
//	0x40080000  gates of the emulator: execute only
//	0x40100000  IRAM, 64 KB: execute, words only; the last 16 or 32 KB are the
//	            flash cache while that is on
//	0x40200000  1 MB of flash while the cache is on: execute, load words
//	0x60000000  peripherals and RTC memory: words only
//	0x60009000  the radio's baseband: registers that keep what is written
//
// The lowest 512 MB are prohibited, as the ROM sets the protection up. All else is
// nothing: loads and stores are a LoadStoreError, fetches an InstructionFetchError.
const (
	dramBase = 0x3FFE8000
	dramSize = 0x18000
	romBase  = 0x40000000
	romSize  = 0x10000

	// GateBase is where the emulator's gates begin, GateSize apart.
	GateBase  = 0x40080000
	GateSize  = 16
	gatesSize = 0x4000

	iramBase = 0x40100000
	iramSize = 0x10000

	flashBase   = 0x40200000
	flashWindow = 0x100000

	dportBase      = 0x3FF00000
	peripheralBase = 0x60000000
	peripheralEnd  = 0x60002000
	basebandBase   = 0x60009000
	rtcBase        = 0x60001000
	rtcSize        = 0x400

	prohibitedEnd = 0x20000000
)

// bus is the chip as the CPU sees it.
type bus Chip

// Fields of the cache's registers.
const (
	cacheFlush = 1 << 0 // in regCache: forget what is there
	cacheEmpty = 1 << 1 // that is done
	cacheOn    = 1 << 8
	cachePair  = 16      // bits 16 to 18: which pair of megabytes is mapped,
	cacheOdd   = 1 << 25 // and which of the pair
	cacheLarge = 1 << 26 // 32 KB instead of 16

	cacheSmall = 1 << 3 // in regCacheSize: the last 16 KB of IRAM belong to the cache,
	cacheAll   = 1 << 4 // and the 16 KB before them
)

// cacheChanged makes the flash cache as its registers say, and tells the CPU what memory
// there is. While it is on, the end of IRAM is the cache, whose bytes are gone.
func (c *Chip) cacheChanged() {
	r := &c.dport[(regCache-dportBase)/4]
	*r = *r&^cacheEmpty | *r&cacheFlush*cacheEmpty
	on, base, size := *r&cacheOn != 0, *r>>cachePair&7*2*flashWindow, uint32(0x4000)
	if *r&cacheOdd != 0 {
		base += flashWindow
	}
	if c.dport[(regCacheSize-dportBase)/4]&cacheAll != 0 {
		size = 0x8000
	}
	if on == c.cache && base == c.cacheBase && size == c.cacheSize {
		return
	}
	if on && !c.cache {
		junk(c.iram[iramSize-size:])
		c.CPU.Invalidate(iramBase+iramSize-size, size)
	}
	c.cache, c.cacheBase, c.cacheSize = on, base, size
	c.setWindows()
	c.CPU.Halt()
}

func (c *Chip) setWindows() {
	windows := []lx106.Window{
		{Base: dramBase, Data: c.dram[:], Load: 1 | 2 | 4, Store: 1 | 2 | 4},
		{Base: iramBase, Data: c.plainIRAM(), Load: 4, Store: 4, Fetch: true},
		{Base: romBase, Data: c.romData(), Load: 4, Fetch: true},
		{Base: GateBase, Data: gateWords, Fetch: true},
	}
	if flash := c.mappedFlash(); flash != nil {
		windows = append(windows, lx106.Window{Base: flashBase, Data: flash, Load: 4, Fetch: true})
	}
	c.CPU.SetWindows(windows...)
}

// plainIRAM is the part of IRAM that is memory at present.
func (c *Chip) plainIRAM() []byte {
	if c.cache {
		return c.iram[:iramSize-c.cacheSize]
	}
	return c.iram[:]
}

// ROMSize is the size of the mask ROM, in bytes.
const ROMSize = romSize

// InROM reports whether an address lies in the mask ROM.
func InROM(addr uint32) bool { return addr >= romBase && addr < romBase+romSize }

// romData is what lies at romBase.
func (c *Chip) romData() []byte {
	if c.ROM != nil {
		return c.ROM
	}
	return romWords
}

// mappedFlash is what lies at flashBase, or nil.
func (c *Chip) mappedFlash() []byte {
	if !c.cache {
		return nil
	}
	base := int(c.cacheBase) % c.Flash.Size()
	return c.Flash.data[base:min(base+flashWindow, c.Flash.Size())]
}

// flashChanged makes the CPU forget code that it decoded from n bytes at addr.
func (c *Chip) flashChanged(addr uint32, n int) {
	if !c.cache {
		return
	}
	base := c.cacheBase % uint32(c.Flash.Size())
	if addr+uint32(n) > base && addr < base+flashWindow {
		c.CPU.Invalidate(flashBase+addr-base, uint32(n))
	}
}

// memory finds the plain memory at addr, from there to its end, and the widths
// that it can be loaded and stored in. nil: there is none.
func (c *Chip) memory(addr uint32) (m []byte, load, store lx106.Widths) {
	in := func(base uint32, data []byte) bool {
		return addr >= base && addr-base < uint32(len(data))
	}
	switch flash, iram, rom := c.mappedFlash(), c.plainIRAM(), c.romData(); {
	case in(dramBase, c.dram[:]):
		return c.dram[addr-dramBase:], 1 | 2 | 4, 1 | 2 | 4
	case in(iramBase, iram):
		return iram[addr-iramBase:], 4, 4
	case in(flashBase, flash):
		return flash[addr-flashBase:], 4, 0
	case in(romBase, rom):
		return rom[addr-romBase:], 4, 0
	}
	return nil, 0, 0
}

// Fetch serves what is not in a window: there is nothing to execute.
func (b *bus) Fetch(addr uint32) (uint32, lx106.Cause) {
	c := (*Chip)(b)
	if m, load, _ := c.memory(addr); m != nil && load == 4 {
		return binary.LittleEndian.Uint32(m), lx106.OK
	}
	if addr >= GateBase && addr < GateBase+gatesSize {
		return binary.LittleEndian.Uint32(gateWords[addr-GateBase:]), lx106.OK
	}
	if addr < prohibitedEnd {
		return 0, lx106.InstFetchProhibited
	}
	return 0, lx106.InstructionFetchError
}

// Load serves what is not in a window, or not in that width.
func (b *bus) Load(addr uint32, size int) (uint32, lx106.Cause) {
	c := (*Chip)(b)
	if m, load, _ := c.memory(addr); m != nil {
		if int(load)&size == 0 {
			return 0, lx106.LoadStoreError
		}
		return get(m, size), lx106.OK
	}
	if addr < prohibitedEnd {
		return 0, lx106.LoadProhibited
	}
	if size == 4 {
		if v, ok := c.loadRegister(addr); ok {
			return v, lx106.OK
		}
	}
	return 0, lx106.LoadStoreError
}

// Store serves what is not in a window, or not in that width.
func (b *bus) Store(addr uint32, size int, value uint32) lx106.Cause {
	c := (*Chip)(b)
	if m, _, store := c.memory(addr); m != nil {
		if int(store)&size == 0 {
			return lx106.LoadStoreError
		}
		put(m, size, value)
		c.CPU.Invalidate(addr, uint32(size))
		return lx106.OK
	}
	if addr < prohibitedEnd {
		return lx106.StoreProhibited
	}
	if size == 4 && c.storeRegister(addr, value) {
		return lx106.OK
	}
	return lx106.LoadStoreError
}

func get(m []byte, size int) uint32 {
	switch size {
	case 1:
		return uint32(m[0])
	case 2:
		return uint32(binary.LittleEndian.Uint16(m))
	}
	return binary.LittleEndian.Uint32(m)
}

func put(m []byte, size int, v uint32) {
	switch size {
	case 1:
		m[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(m, uint16(v))
	default:
		binary.LittleEndian.PutUint32(m, v)
	}
}
