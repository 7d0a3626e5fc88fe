package esp8266

import "encoding/binary"

// Registers by address. Names are those of the vendor's eagle_soc.h, where it has
// one.
const (
	regEdgeInterrupts = 0x3FF00004 // bit 0: watchdog, bit 1: FRC1, bit 2: FRC2 reach the CPU
	regCache          = 0x3FF0000C // what the flash cache maps
	regCacheSize      = 0x3FF00024 // how much of IRAM it takes
	regMAC0           = 0x3FF00050 // eFuses, four words
	regMicroseconds   = 0x3FF20C00 // WDEV clock: us since power-on
	regRandom         = 0x3FF20E44

	regUART0    = 0x60000000
	regUART1    = 0x60000F00
	regSPI0     = 0x60000200
	regGPIO     = 0x60000300
	regTimers   = 0x60000600
	regRTC      = 0x60000700
	regRTCCause = 0x60000714
	regRTCWoken = 0x60000718 // bits 8 to 13: what ended the deep sleep; written, bit 3: the count ends one
	regRTCCount = 0x6000071C
	regRTCAwake = 0x60000728 // bits 0 and 1: 1 is awake
	regRTCKept  = 0x60000730 // four words that outlive a reset, but for one by the pin
	regGPIO16   = 0x60000768
	regIOMux    = 0x60000800
	regWatchdog = 0x60000900
)

// oui is the vendor's part of the MAC address.
const oui = 0x5CCF7F

// rtcHz is the clock of the RTC counter, which on the chip depends on its
// temperature.
const rtcHz = 150_000

// loadRegister reads a peripheral's register. ok is false where there is none.
func (c *Chip) loadRegister(addr uint32) (v uint32, ok bool) {
	switch {
	case addr >= rtcBase && addr < rtcBase+rtcSize:
		return binary.LittleEndian.Uint32(c.rtc[addr-rtcBase:]), true
	case addr >= regUART0 && addr < regUART0+0x80:
		return c.loadUART(0, addr-regUART0), true
	case addr >= regUART1 && addr < regUART1+0x80:
		return c.loadUART(1, addr-regUART1), true
	case addr >= regSPI0 && addr < regSPI0+0x100:
		return c.spi.registers[(addr-regSPI0)/4], true
	case addr >= regGPIO && addr < regGPIO+0x68:
		return c.loadGPIO(addr - regGPIO), true
	case addr >= regTimers && addr < regTimers+0x34:
		return c.loadTimer(addr - regTimers), true
	case addr == regRTCCount:
		return c.rtcCount(), true
	case addr >= regGPIO16 && addr < regGPIO16+0x28:
		return c.loadGPIO16(addr), true
	case addr >= regWatchdog && addr < regWatchdog+0x18:
		return c.watchdog.load(addr - regWatchdog), true
	case addr >= regMAC0 && addr < regMAC0+16:
		return c.efuse(addr - regMAC0), true
	case addr == regRTCCause:
		return c.resetCause(), true
	case addr == regRTCWoken:
		return wokenByTimer, true
	case addr == regRTCAwake:
		return 1, true
	case addr >= macBase && addr < macBase+macSize:
		return c.loadMAC(addr), true
	}
	if p := c.plainRegister(addr); p != nil {
		return *p, true
	}
	return 0, false
}

// storeRegister writes a peripheral's register. It is false where there is none.
func (c *Chip) storeRegister(addr, v uint32) bool {
	switch {
	case addr >= rtcBase && addr < rtcBase+rtcSize:
		binary.LittleEndian.PutUint32(c.rtc[addr-rtcBase:], v)
		return true
	case addr >= regUART0 && addr < regUART0+0x80:
		c.storeUART(0, addr-regUART0, v)
		return true
	case addr >= regUART1 && addr < regUART1+0x80:
		c.storeUART(1, addr-regUART1, v)
		return true
	case addr >= regSPI0 && addr < regSPI0+0x100:
		c.storeSPI(addr-regSPI0, v)
		return true
	case addr >= regGPIO && addr < regGPIO+0x68:
		c.storeGPIO(addr-regGPIO, v)
		return true
	case addr >= regTimers && addr < regTimers+0x34:
		c.storeTimer(addr-regTimers, v)
		return true
	case addr >= regGPIO16 && addr < regGPIO16+0x28:
		c.storeGPIO16(addr, v)
		return true
	case addr >= regWatchdog && addr < regWatchdog+0x18:
		c.storeWatchdog(addr-regWatchdog, v)
		return true
	case addr == regRTC && v>>31 != 0: // RTC_CTL: reset now
		c.ask(EventReset, ResetRestart)
		return true
	case addr >= macBase && addr < macBase+macSize:
		c.storeMAC(addr, v)
		return true
	case addr == regRTCCount, addr == regRTCCause, addr == regRTCAwake,
		addr >= regMAC0 && addr < regMAC0+16:
		return true // read only
	}
	p := c.plainRegister(addr)
	if p == nil {
		return false
	}
	*p = v
	switch {
	case addr == regCache, addr == regCacheSize:
		c.cacheChanged()
	case addr == regRTCStart:
		c.storeSleep(v)
	case addr == regCalibrate && v&calibrate != 0:
		c.plain[(regCalibrated-peripheralBase)/4] = calibration(v)
	case addr == regEdgeInterrupts:
		c.CPU.Halt() // a timer may count as an interrupt from now on
	case addr >= regIOMux && addr < regIOMux+ioMuxSize:
		c.pinsChanged() // by a pull-up
	}
	return true
}

// plainRegister is a register that does nothing here but keep its value.
func (c *Chip) plainRegister(addr uint32) *uint32 {
	switch {
	case addr >= peripheralBase && addr < peripheralEnd:
		return &c.plain[(addr-peripheralBase)/4]
	case addr >= dportBase && addr < dportBase+uint32(4*len(c.dport)):
		return &c.dport[(addr-dportBase)/4]
	case addr >= basebandBase && addr < basebandBase+uint32(4*len(c.baseband)):
		return &c.baseband[(addr-basebandBase)/4]
	}
	return nil
}

// efuse gives the words that hold the MAC address: its last byte is the highest of
// the first word, the two before it the lowest of the second; the fourth holds the
// vendor's part.
func (c *Chip) efuse(offset uint32) uint32 {
	switch offset {
	case 0:
		return c.ChipID << 24
	case 4:
		return c.ChipID >> 8 & 0xFFFF
	case 8:
		return efuseESP8266 | efuseOUI
	case 12:
		return oui
	}
	return 0
}

// Bits of the third eFuse word: the vendor's software runs on an ESP8266 only, and takes its
// part of the MAC address from the fourth word only if it is told to.
const (
	efuseESP8266 = 1 << 15
	efuseOUI     = 1 << 12
)

// wokenByTimer is what the RTC says of a deep sleep that ended as it should.
const wokenByTimer = 8 << 8

// MAC is the station's address.
func (c *Chip) MAC() [6]byte {
	id := c.ChipID
	return [6]byte{oui >> 16, oui >> 8 & 0xFF, oui & 0xFF, byte(id >> 16), byte(id >> 8), byte(id)}
}

// randomWord gives the next random number: splitmix64 from the seed, so that a run
// can be repeated.
func (c *Chip) randomWord() uint32 {
	c.random += 0x9E3779B97F4A7C15
	z := c.random
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return uint32(z >> 32)
}
