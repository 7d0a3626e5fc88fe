package esp8266

import "time"

// sleep is the deep sleep: all is off but the RTC, with its memory. What ends it is a reset: GPIO16
// goes low after the time asked for, and is connected to the reset pin where a board is to wake.
type sleep struct {
	on bool
	at uint64 // cycle at which GPIO16 goes low; never: it does not
}

// Registers of the RTC for the deep sleep, by what the vendor's library does with them; it
// documents none.
const (
	regRTCTarget = 0x60000704 // the RTC's count at which a sleep ends
	regRTCStart  = 0x60000708 // bit 20: sleep now
	regRTCPower  = 0x60000744 // bit 5: the sleep is a deep one

	regCalibrate  = 0x6000036C // bit 31: count the crystal's ticks in some ticks of the RTC, bits 0 to 9
	regCalibrated = 0x60000370 // bit 31: done; bits 0 to 27: what was counted

	rtcStart     = 1 << 20
	rtcWake      = 1 << 3
	rtcDeep      = 1 << 5
	calibrate    = 1 << 31
	calibrateMax = 1<<10 - 1
	crystalHz    = 26_000_000
)

// rtcCount is the RTC's counter.
func (c *Chip) rtcCount() uint32 {
	seconds, rest := c.CPU.Cycles/CyclesPerSecond, c.CPU.Cycles%CyclesPerSecond
	return uint32(seconds*rtcHz + rest*rtcHz/CyclesPerSecond)
}

// calibration is what a count of the crystal's ticks says: the RTC counts whole ones of its own,
// one less than it is asked for.
func calibration(v uint32) uint32 {
	ticks := uint64(max(v&calibrateMax, 1) - 1)
	return calibrate | uint32(ticks*crystalHz/rtcHz)
}

// storeSleep is a write to regRTCStart.
func (c *Chip) storeSleep(v uint32) {
	register := func(addr uint32) uint32 { return c.plain[(addr-peripheralBase)/4] }
	if v&rtcStart == 0 || register(regRTCPower)&rtcDeep == 0 {
		return // a short one, from which the CPU goes on
	}
	if register(regRTCWoken)&rtcWake == 0 {
		c.DeepSleep(0)
		return
	}
	ticks := uint64(register(regRTCTarget) - c.rtcCount())
	c.sleepUntil(c.CPU.Cycles + ticks*CyclesPerSecond/rtcHz)
}

// DeepSleep switches the chip off, to be reset after some time; 0: it sleeps until it is reset from
// outside.
func (c *Chip) DeepSleep(t time.Duration) {
	if t <= 0 {
		c.sleepUntil(never)
		return
	}
	c.sleepUntil(c.CPU.Cycles + uint64(t.Nanoseconds())*2/25) // 12.5 ns a cycle
}

func (c *Chip) sleepUntil(cycle uint64) {
	if c.WakeOpen {
		cycle = never
	}
	c.sleep = sleep{true, cycle}
	mux := c.plain[(regIOMux-peripheralBase)/4:]
	clear(mux[:ioMuxSize/4])
	c.resetGPIO() // the pins float
	c.CPU.Halt()
	if c.Slept != nil {
		c.Slept()
	}
}

// Asleep reports whether the chip is in deep sleep.
func (c *Chip) Asleep() bool { return c.sleep.on }

// WakesAt is the cycle at which a deep sleep ends, if it ends by itself.
func (c *Chip) WakesAt() (cycle uint64, ok bool) {
	return c.sleep.at, c.sleep.on && c.sleep.at != never
}

// sleeping lets the time of a deep sleep pass.
func (c *Chip) sleeping(until uint64) Event {
	c.CPU.Cycles = max(c.CPU.Cycles, min(until, c.sleep.at))
	if c.CPU.Cycles < c.sleep.at {
		return EventIdle
	}
	c.ask(EventReset, ResetDeepSleep)
	return EventReset
}
