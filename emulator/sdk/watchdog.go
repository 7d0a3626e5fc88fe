package sdk

import "esper/emulator/esp8266"

// softWatchdog is the SDK's own watchdog: a timer interrupt that, the second time
// it finds the same callback still running, resets. Where interrupts are held off
// it cannot come, and the hardware's bites.
type softWatchdog struct {
	due    uint64
	missed int
	off    bool
}

// softPeriod is the time between two looks: 1.6 s.
const softPeriod = 1600 * cyclesPerMillisecond

// feed starts both watchdogs anew.
func (s *SDK) feed() {
	s.watchdog.due, s.watchdog.missed = s.Chip.CPU.Cycles+softPeriod, 0
	if !s.watchdog.off {
		s.Chip.FeedWatchdog()
	}
}

// watch is called while a callback runs.
func (s *SDK) watch() {
	now := s.Chip.CPU.Cycles
	if now < s.watchdog.due {
		return
	}
	if s.Chip.CPU.PS&0x1F != 0 { // interrupts are held off: look again soon
		s.watchdog.due = now + cyclesPerMillisecond
		return
	}
	s.watchdog.due = now + softPeriod
	if s.watchdog.off {
		return
	}
	s.watchdog.missed++
	if s.watchdog.missed < 2 {
		s.Chip.FeedWatchdog()
		return
	}
	s.crash(Crash{Reason: esp8266.ResetSoftWatchdog, Text: "Soft WDT reset", CPU: s.Chip.CPU.State, PC: s.Chip.CPU.PC})
}

// softFeed is system_soft_wdt_feed().
func (s *SDK) softFeed() uint32 {
	s.feed()
	return 0
}

// softStop is system_soft_wdt_stop(): the hardware's is not fed any more either.
func (s *SDK) softStop() uint32 {
	s.Chip.FeedWatchdog()
	s.watchdog.off = true
	return 0
}

// softRestart is system_soft_wdt_restart().
func (s *SDK) softRestart() uint32 {
	s.watchdog.off = false
	s.feed()
	return 0
}
