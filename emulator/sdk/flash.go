package sdk

import "esper/emulator/esp8266"

// Results of the flash functions (SpiFlashOpResult).
const (
	flashOK    = 0
	flashError = 1
)

// flashID is spi_flash_get_id().
func (s *SDK) flashID() uint32 { return s.Chip.Flash.ID() }

// flashErase is spi_flash_erase_sector(number).
func (s *SDK) flashErase() uint32 {
	return result(s.Chip.EraseFlash(s.Chip.Arg(0) & 0xFFFF * esp8266.SectorSize))
}

// flashWrite is spi_flash_write(address, from, size).
func (s *SDK) flashWrite() uint32 {
	addr, from, n := s.flashArgs()
	if (addr|from|n)%4 != 0 || n > esp8266.FlashSize {
		return flashError
	}
	return result(s.Chip.ProgramFlash(addr, s.read(from, int(n))))
}

// flashRead is spi_flash_read(address, to, size).
func (s *SDK) flashRead() uint32 {
	addr, to, n := s.flashArgs()
	if (addr|to|n)%4 != 0 || n > esp8266.FlashSize {
		return flashError
	}
	b := make([]byte, n)
	if err := s.Chip.ReadFlash(addr, b); err != nil {
		return flashError
	}
	s.write(to, b)
	return flashOK
}

// flashArgs are the arguments of read and write. The buffer must be in RAM: mapped
// flash cannot be read while the flash is being worked on.
func (s *SDK) flashArgs() (addr, buffer, n uint32) {
	addr, buffer, n = s.Chip.Arg(0), s.Chip.Arg(1), s.Chip.Arg(2)
	if n > 0 && buffer >= 0x40200000 {
		s.misuse("%s with a buffer that is not in RAM (0x%08x)", s.caller(), buffer)
	}
	return addr, buffer, n
}

func result(err error) uint32 {
	if err != nil {
		return flashError
	}
	return flashOK
}
