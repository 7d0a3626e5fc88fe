package esp8266

// spi is SPI0, the controller that the flash hangs on. A command is done at once, in the
// flash's time, so that its bit reads as 0 again when the program looks.
//
// The registers are at 0x60000200: the commands' bits in CMD, each of which is a transaction
// that the controller knows; or USR, one that the program composes.
type spi struct {
	registers [0x100 / 4]uint32
	status    uint32 // the flash chip's status register
}

// Offsets of SPI0's registers.
const (
	spiCommand  = 0x00
	spiAddress  = 0x04 // the address in the low 24 bits, the length in the upper 8
	spiRDStatus = 0x10
	spiUser     = 0x1C
	spiUser1    = 0x20
	spiUser2    = 0x24
	spiData     = 0x40 // 64 bytes
)

// spiDataSize is the length of the controller's buffer.
const spiDataSize = 64

// Bits of CMD.
const (
	bitUser        = 18
	bitChipErase   = 22
	bitBlockErase  = 23
	bitSectorErase = 24
	bitPageProgram = 25
	bitWriteStatus = 26
	bitReadStatus  = 27
	bitReadID      = 28
	bitWriteOff    = 29
	bitWriteOn     = 30
	bitReadData    = 31
)

// spiWriteEnabled is the bit of the flash's status without which it ignores what would
// change it. It falls with each change.
const spiWriteEnabled = 1 << 1

// blockSize is what a block erase erases.
const blockSize = 0x10000

// flashCommands are the commands as the flash itself knows them, for USR.
var flashCommands = map[uint32]uint{
	0x01: bitWriteStatus, 0x02: bitPageProgram, 0x03: bitReadData, 0x04: bitWriteOff,
	0x05: bitReadStatus, 0x06: bitWriteOn, 0x20: bitSectorErase, 0x60: bitChipErase,
	0x9F: bitReadID, 0xC7: bitChipErase, 0xD8: bitBlockErase,
}

func (c *Chip) storeSPI(offset, v uint32) {
	s := &c.spi
	if offset != spiCommand {
		s.registers[offset/4] = v
		return
	}
	for bit := uint(bitChipErase); bit <= bitReadData; bit++ {
		if v>>bit&1 != 0 {
			address := s.registers[spiAddress/4]
			c.flashCommand(bit, address&0xFFFFFF, address>>24)
		}
	}
	if v>>bitUser&1 != 0 {
		c.userCommand()
	}
}

// userCommand does the transaction that USER, USER1 and USER2 describe. One that this flash
// does not know has no effect and reads as 0.
func (c *Chip) userCommand() {
	s := &c.spi
	phases, lengths := s.registers[spiUser/4], s.registers[spiUser1/4]
	address := s.registers[spiAddress/4] >> 8 // it is sent from the highest bit on
	length := lengths>>8&0x1FF/8 + 1
	if phases>>27&1 != 0 {
		length = lengths>>17&0x1FF/8 + 1
	}
	bit, known := flashCommands[s.registers[spiUser2/4]&0xFF]
	if known {
		c.flashCommand(bit, address, length)
	}
	switch data := s.registers[spiData/4:]; {
	case !known && phases>>28&1 != 0:
		clear(data[:spiDataSize/4])
	case bit == bitReadStatus:
		data[0] = s.registers[spiRDStatus/4]
	}
}

// flashCommand is a command to the flash. An error of the flash shows in its status at most;
// here it is what the memory holds afterwards.
func (c *Chip) flashCommand(bit uint, address, length uint32) {
	s := &c.spi
	writable := s.status&spiWriteEnabled != 0
	size := uint32(c.Flash.Size())
	address %= size // higher address lines are not connected
	switch bit {
	case bitWriteOn:
		s.status |= spiWriteEnabled
		return
	case bitReadID:
		s.registers[spiData/4] = c.Flash.ID()
		return
	case bitReadStatus:
		s.registers[spiRDStatus/4] = s.status
		return
	case bitReadData:
		b := make([]byte, spiDataSize)
		n := min(length, spiDataSize, size-address)
		_ = c.ReadFlash(address, b[:n])
		for i := uint32(0); i < n; i += 4 {
			s.registers[(spiData+i)/4] = get(b[i:], 4)
		}
		return
	case bitPageProgram:
		if writable {
			c.programPage(address, min(length, spiDataSize))
		}
	case bitSectorErase:
		if writable {
			_ = c.EraseFlash(address &^ (SectorSize - 1))
		}
	case bitBlockErase, bitChipErase:
		begin, n := address&^(blockSize-1), uint32(blockSize)
		if bit == bitChipErase {
			begin, n = 0, size
		}
		for a := begin; writable && a < min(begin+n, size); a += SectorSize {
			if c.EraseFlash(a) != nil {
				break
			}
		}
	case bitWriteStatus:
		if writable {
			s.status = s.registers[spiRDStatus/4] & 0xFC
		}
	}
	s.status &^= spiWriteEnabled
}

// programPage programs the first n bytes of the buffer, from address on; at the end of a page
// the flash goes on at its beginning.
func (c *Chip) programPage(address, n uint32) {
	page := make([]byte, PageSize)
	for i := range page {
		page[i] = 0xFF
	}
	for i := range n {
		page[(address+i)%PageSize] &= byte(c.spi.registers[(spiData+i)/4] >> (i % 4 * 8))
	}
	first, last := address%PageSize&^3, (address%PageSize+n+3)&^3
	if last > PageSize {
		first, last = 0, PageSize
	}
	base := address &^ (PageSize - 1)
	_ = c.ProgramFlash(base+first, page[first:last])
}
