package esp8266

import "errors"

// How long the flash takes, in cycles. The data sheets of usual 8 Mbit chips
// (W25Q80, GD25Q80) give as typical 45 to 60 ms for the erase of a sector and 0.4
// to 0.7 ms for a page of 256 bytes, most of which grows with the bytes. Reading
// at 40 MHz over two lines is 10 MB/s on the line; with the ROM's handling of each
// 32 bytes it is 6.7 MB/s here.
const (
	eraseCycles       = 50 * CyclesPerSecond / 1000
	programCycles     = CyclesPerSecond / 10_000      // 0.1 ms, and
	programByteCycles = CyclesPerSecond / 10_000 / 50 // 2 us a byte
	readCycles        = 200
	readByteCycles    = 12
)

// ReadFlash copies len(b) bytes from addr, in the time that the chip needs.
func (c *Chip) ReadFlash(addr uint32, b []byte) error {
	c.Elapse(readCycles + readByteCycles*uint64(len(b)))
	return c.Flash.Read(addr, b)
}

// ProgramFlash clears the bits that are 0 in b, in the time that the chip needs.
// addr and len(b) must be multiples of 4.
func (c *Chip) ProgramFlash(addr uint32, b []byte) error {
	pages := (uint64(addr)%PageSize + uint64(len(b)) + PageSize - 1) / PageSize
	c.Elapse(pages*programCycles + programByteCycles*uint64(len(b)))
	return c.powered(c.Flash.program(addr, b))
}

// EraseFlash sets all bits of the sector at addr, a multiple of SectorSize, in the
// time that the chip needs.
func (c *Chip) EraseFlash(addr uint32) error {
	if addr%SectorSize != 0 {
		return ErrFlashAlign
	}
	c.Elapse(eraseCycles)
	return c.powered(c.Flash.erase(addr))
}

// powered stops the chip if the power was cut, or if the file behind the flash
// cannot be written, since going on would not be what the chip does.
func (c *Chip) powered(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrFlash), errors.Is(err, ErrFlashRange), errors.Is(err, ErrFlashAlign):
	case errors.Is(err, ErrPowerCut):
		c.ask(EventPowerCut, c.wanted)
	default:
		c.fault("%v", err)
	}
	return err
}
