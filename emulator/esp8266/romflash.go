package esp8266

// The ROM's flash functions return 0 if all is well, 1 if the flash reports an
// error or the arguments cannot be right.
const (
	spiOK    = 0
	spiError = 1
)

func spiResult(c *Chip, err error) {
	if err != nil {
		c.Return(spiError)
		return
	}
	c.Return(spiOK)
}

// cacheEnable (odd megabyte, pair of megabytes, 32 KB) maps a megabyte of flash.
func cacheEnable(c *Chip) {
	size, v := uint32(cacheSmall), c.Arg(1)&7<<cachePair|cacheOn
	if c.Arg(0)&1 != 0 {
		v |= cacheOdd
	}
	if c.Arg(2) != 0 {
		size, v = cacheSmall|cacheAll, v|cacheLarge
	}
	c.dport[(regCacheSize-dportBase)/4] |= size
	c.storeRegister(regCache, v)
	c.Return(0)
}

// cacheDisable unmaps it.
func cacheDisable(c *Chip) {
	c.storeRegister(regCache, c.dport[(regCache-dportBase)/4]&^cacheOn)
	c.Return(0)
}

// spiReadStatus (chip, pointer): never busy, nothing protected.
func spiReadStatus(c *Chip) {
	c.store(c.Arg(1), 4, 0)
	c.Return(spiOK)
}

// flashPlace is where n bytes at addr lie in the flash. The ROM knows the size from its record of
// the chip, which the vendor's software fills in from the header at flash 0, and not from the chip:
// a flash that is smaller ignores the upper lines of the address.
func (c *Chip) flashPlace(addr, n uint64) (uint32, bool) {
	size := uint64(c.Flash.Size())
	if addr+n > uint64(c.data(flashChipStruct+4)) || addr%size+n > size {
		return 0, false
	}
	return uint32(addr % size), true
}

// spiErase erases the sectors of n bytes at addr.
func spiErase(c *Chip, from, n uint64) {
	addr, ok := c.flashPlace(from, n)
	if !ok {
		c.Return(spiError)
		return
	}
	var err error
	for end := addr + uint32(n); addr < end && err == nil; addr += SectorSize {
		err = c.EraseFlash(addr)
	}
	spiResult(c, err)
}

// spiRead (flash address, destination, bytes) reads whole words, so a length that
// is not a multiple of 4 overwrites what lies behind. The destination must be
// aligned, the flash address need not be.
func spiRead(c *Chip) {
	to, n := c.Arg(1), c.Arg(2)
	addr, ok := c.flashPlace(uint64(c.Arg(0)), uint64(n))
	if !ok {
		c.Return(spiError)
		return
	}
	b := make([]byte, (n+3)&^3)
	err := c.ReadFlash(addr, b[:min(len(b), c.Flash.Size()-int(addr))])
	for i := uint32(0); i < n && err == nil; i += 4 {
		c.store(to+i, 4, get(b[i:], 4))
	}
	spiResult(c, err)
}

// spiWrite (flash address, source, bytes): all multiples of 4.
func spiWrite(c *Chip) {
	from, n := c.Arg(1), c.Arg(2)
	addr, ok := c.flashPlace(uint64(c.Arg(0)), uint64(n))
	if !ok || addr%4 != 0 || n%4 != 0 {
		c.Return(spiError)
		return
	}
	b := make([]byte, n)
	for i := uint32(0); i < n; i += 4 {
		put(b[i:], 4, c.load(from+i, 4))
	}
	spiResult(c, c.ProgramFlash(addr, b))
}
