package esp8266

import (
	"encoding/binary"
	"fmt"

	"esper/emulator/lx106"
)

// imageMagic begins the image that the ROM boots (docs/SPEC.md, section 2.2).
const imageMagic = 0xE9

// maxSegments is what the ROM takes for an image at most.
const maxSegments = 16

// Where the ROM keeps what it knows of the flash: a pointer, and what it points to: id, sizes
// of chip, block, sector and page in bytes, mask of the status. It asks no flash for that; the
// vendor's software puts right what the image's header says.
const (
	flashChip       = 0x3FFFC714
	flashChipStruct = 0x3FFFC718
	romFlashID      = 0x1640EF
	romFlashSize    = 4 << 20
)

// resetCause is how the ROM numbers a reset: 1 power, 2 the reset pin and all that
// the SDK does by itself, 4 the hardware watchdog.
func (c *Chip) resetCause() uint32 {
	switch c.hardware {
	case ResetPowerOn:
		return 1
	case ResetWatchdog:
		return 4
	}
	return 2
}

// bootAgain is the ROM after a jump to its beginning.
func (c *Chip) bootAgain() {
	c.CPU.INTENABLE, c.CPU.LITBASE = 0, 0
	c.rom = romState{}
	c.storeRegister(regCache, 0)
	c.boot()
}

// boot is the ROM after a reset: it loads the segments of the image at flash 0 and
// jumps to its entry. It prints at 74880 baud, as the chip does.
//
// Where there is nothing to boot the chip would wait for the watchdog and try
// again for ever; here it stops.
func (c *Chip) boot() {
	c.CPU.PS = lx106.PSUM
	c.CPU.VECBASE = romBase
	c.rom.seed = 1
	for i, v := range []uint32{romFlashID, romFlashSize, blockSize, SectorSize, PageSize, 0xFFFF} {
		put(c.dram[flashChipStruct-dramBase+4*i:], 4, v)
	}
	c.setData(flashChip, flashChipStruct)
	c.setData(putc1, romPutc1)
	c.resetXTOS()
	c.resetTasks()
	c.resetPHY()
	c.print(fmt.Sprintf("\r\n ets Jan  8 2013,rst cause:%d, boot mode:(%d,6)\r\n\r\n", c.resetCause(), c.gpio.strapping))
	if c.hardware == ResetWatchdog {
		c.print("wdt reset\r\n")
	}
	if c.gpio.strapping == strappingUART {
		c.download()
		return
	}
	c.bootFlash()
}

// bootFlash boots the image at flash 0.
func (c *Chip) bootFlash() {
	entry, err := c.loadImage()
	c.FeedWatchdog()
	if err != nil {
		c.print(fmt.Sprintf("%v\r\nets_main.c \r\n", err))
		c.stopped = true
		c.CPU.PC = romParked
		return
	}
	c.CPU.A = [16]uint32{0: romMainReturn, 1: 0x3FFFFF90}
	c.CPU.PC = entry
}

// loadImage loads the segments of the image at flash 0.
func (c *Chip) loadImage() (entry uint32, err error) {
	var header [8]byte
	c.ReadFlash(0, header[:])
	if header[0] != imageMagic || header[1] == 0 || header[1] > maxSegments {
		return 0, fmt.Errorf("no image at flash 0")
	}
	entry = binary.LittleEndian.Uint32(header[4:])
	at, room, sum := uint32(8), uint32(16), byte(0xEF)
	for range header[1] {
		var segment [8]byte
		if err := c.ReadFlash(at, segment[:]); err != nil {
			return 0, fmt.Errorf("load err")
		}
		addr, n := binary.LittleEndian.Uint32(segment[:]), binary.LittleEndian.Uint32(segment[4:])
		at += 8
		c.print(fmt.Sprintf("load 0x%08x, len %d, room %d \r\n", addr, n, room))
		data := make([]byte, min(n, dramSize))
		if !loadable(addr, n) || c.ReadFlash(at, data) != nil {
			return 0, fmt.Errorf("load err")
		}
		c.Write(addr, data)
		for _, b := range data {
			sum ^= b
		}
		at += n
		tail := (n - min(n, room)) % 16
		c.print(fmt.Sprintf("tail %d\r\nchksum 0x%02x\r\n", tail, sum))
		room = (16 - tail + 8) % 16
		if room == 0 {
			room = 16
		}
	}
	var want [1]byte
	c.ReadFlash(at|15, want[:])
	if want[0] != sum {
		return 0, fmt.Errorf("csum err")
	}
	c.print(fmt.Sprintf("csum 0x%02x\r\n", sum))
	return entry, nil
}

// loadable says whether a segment lies in memory that the ROM does not use itself.
func loadable(addr, n uint32) bool {
	in := func(base, size uint32) bool {
		return addr >= base && n <= size && addr-base <= size-n
	}
	return addr%4 == 0 && n%4 == 0 && (in(dramBase, 0x14000) || in(iramBase, iramSize))
}

// mainReturned is where the program that was booted returns to: what it asked for
// with ets_set_user_start, once, or the end.
func (c *Chip) mainReturned() {
	start := c.rom.userStart
	c.rom.userStart = 0
	if start == 0 {
		c.stopped = true
		return
	}
	c.CPU.A[0] = romMainReturn
	c.CPU.PC = start
}

// print sends text as the ROM does.
func (c *Chip) print(text string) { c.transmit([]byte(text)...) }
